"""The networks of the baselines, against torch's LSTM and torch-geometric's GINEConv."""

import pytest
import torch
from torch import nn

from baselines.feedforward import Feedforward, FeedforwardEdge
from baselines.iterative import Iterative, IterativeEdge
from baselines.ponder import Ponder, PonderEdge
from baselines.recurrent import Recurrent, RecurrentEdge, RecurrentWide
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import Addition, Completion, EdgeCopy, ShortestPath

NODES = 4
PAIRS = torch.cartesian_prod(torch.arange(NODES), torch.arange(NODES)).T  # from row to column


def make(cls, task):
    with seeded_parameters(0):
        return cls(task, hidden=8).double()


def one_graph():
    task = ShortestPath().test(NODES, "same")
    return task.draw(1, stream("network"), torch.float64).problem


def embedded(trunk, values):
    """The edge embeddings [E, embedding] of values [E, k], as published."""
    maps = zip(trunk.embeddings, values.T, strict=True)
    return torch.cat([embedding(value[:, None]) for embedding, value in maps], dim=1)


def decoded(decoder, states, values):
    """[h_i, h_j], and where it is read e_ij, by one linear map."""
    pairs = decoder.nodes(states[PAIRS].transpose(0, 1).flatten(1)).squeeze(1)
    return pairs if decoder.edge is None else pairs + decoder.edge(values).squeeze(1)


def trunk_states(trunk, values):
    states = torch.zeros(NODES, 1, dtype=torch.float64)
    for layer in trunk.layers:
        states = layer(states, PAIRS, embedded(trunk, values))
    return states


@pytest.mark.parametrize("cls", [Feedforward, FeedforwardEdge])
def test_feedforward_on_a_graph(cls):
    method, problem = make(cls, ShortestPath()), one_graph()
    network, values = method.network, problem.x.T  # [E, 1]
    expected = decoded(network.decoder, trunk_states(network.trunk, values), values)
    torch.testing.assert_close(method.solve(problem, 1).answers[1, 0], expected)


@pytest.mark.parametrize("cls", [Iterative, IterativeEdge])
def test_iterative_on_a_graph(cls):
    method, problem = make(cls, ShortestPath()), one_graph()
    network, answer = method.correction, problem.start[0]
    answers = method.solve(problem, 3).answers[:, 0]
    for t in range(3):
        values = torch.stack([problem.x[0], answer], dim=1)  # [E, 2]
        states = trunk_states(network.trunk, values)
        answer = answer + decoded(network.decoder, states, values)
        torch.testing.assert_close(answers[t + 1], answer)


@pytest.mark.parametrize("cls", [Recurrent, RecurrentEdge])
def test_recurrent_on_a_graph(cls):
    method, problem = make(cls, ShortestPath()), one_graph()
    network, values = method.network, problem.x.T
    (first, second), edges = network.trunk.layers, embedded(network.trunk, values)
    seen = first(torch.zeros(NODES, 1, dtype=torch.float64), PAIRS, edges)
    lstm = as_lstm(network.cell)
    hidden, _ = lstm(seen.expand(3, -1, -1))  # [steps, nodes, hidden]
    answers = method.solve(problem, 3).answers[:, 0]
    for t in range(3):
        expected = decoded(network.decoder, second(hidden[t], PAIRS, edges), values)
        torch.testing.assert_close(answers[t + 1], expected)


@pytest.mark.parametrize("cls", [Ponder, PonderEdge])
def test_ponder_on_a_graph(cls):
    method, problem = make(cls, ShortestPath()), one_graph()
    network, values = method.network, problem.x.T
    (layer,), edges = network.trunk.layers, embedded(network.trunk, values)
    states = torch.zeros(NODES, 8, dtype=torch.float64)
    solved = method.solve(problem, 3)
    for t in range(3):
        states = layer(states, PAIRS, edges)
        expected = decoded(network.decoder, states, values)
        torch.testing.assert_close(solved.answers[t + 1, 0], expected)
        halting = network.halting(states.mean(dim=0)).sigmoid()
        torch.testing.assert_close(solved.halting[t + 1], halting)


@pytest.mark.parametrize("cls", [Recurrent, RecurrentWide])
def test_recurrent_on_matrices_is_an_lstm_that_sees_the_same_again(cls):
    task = Completion(size=3)
    method = make(cls, task)
    problem = task.draw(5, stream("network"), torch.float64).problem
    network = method.network
    seen = network.read(problem.x).relu()
    hidden, _ = as_lstm(network.cell)(seen.expand(4, -1, -1))
    torch.testing.assert_close(method.solve(problem, 4).answers[1:], network.write(hidden))


def test_iterative_on_matrices_by_hand():
    task = Addition(size=1)
    method = make(Iterative, task)
    first, second, third = (layer for layer in method.correction.layers if hasattr(layer, "weight"))
    problem = task.problem(torch.tensor([[2.0]]), torch.tensor([[3.0]])).to("cpu", torch.float64)
    row = torch.cat([problem.start, problem.x], dim=1)  # y first, then x
    hidden = row
    for layer in (first, second, third):
        sums = hidden @ layer.weight.T + layer.bias
        hidden = sums * sums.sigmoid()  # swish
    expected = problem.start + method.correction.out(hidden)
    torch.testing.assert_close(method.solve(problem, 1).answers[1], expected)


@pytest.mark.parametrize(
    ("cls", "task", "parameters"),
    [
        # x -> 512 -> 512 -> 512 -> n²
        (Feedforward, Addition(), 801 * 512 + 2 * 513 * 512 + 513 * 400),
        # x -> 196, an LSTM with two biases, 196 -> n²
        (Recurrent, Addition(), 801 * 196 + 8 * 197 * 196 + 197 * 400),
        (RecurrentWide, Addition(), 801 * 512 + 8 * 513 * 512 + 513 * 400),
        (Iterative, Addition(), 1201 * 512 + 2 * 513 * 512 + 513 * 400),
        (Ponder, Addition(), 1201 * 512 + 513 * 512 + 513 * 401),
    ],
)
def test_the_published_widths(cls, task, parameters):
    assert cls(task).used_parameters() == parameters


def test_without_the_edge_only_a_row_and_a_column_term_can_be_said():
    """Published: no training can make [h_i, h_j] copy an edge; [h_i, h_j, e_ij] can."""
    task = EdgeCopy().test(5, "same")
    problem = task.draw(3, stream("network"), torch.float64).problem
    for cls, reads in ((Feedforward, False), (FeedforwardEdge, True)):
        answers = make(cls, EdgeCopy()).solve(problem, 1).answers[1].view(3, 5, 5)
        # the second difference of u_i + v_j is 0
        mixed = (
            answers[:, 1:, 1:] - answers[:, :-1, 1:] - answers[:, 1:, :-1] + answers[:, :-1, :-1]
        )
        assert bool(mixed.abs().max() > 1e-9) == reads


def as_lstm(cell: nn.LSTMCell) -> nn.LSTM:
    """torch's LSTM over a sequence with the parameters of a cell."""
    lstm = nn.LSTM(cell.input_size, cell.hidden_size).double()
    lstm.load_state_dict({f"{name}_l0": value for name, value in cell.state_dict().items()})
    return lstm
