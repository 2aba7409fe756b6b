"""The dense network against torch-geometric's own layers."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from torch_geometric.data import Batch, Data

from benchmarks.plain import PlainGraphEnergy
from irem_core import IREM
from irem_core.descent import autograd_gradient
from irem_core.energy.graph import GraphEnergy, GraphLandscape
from irem_core.graphs import to_torch_geometric
from irem_core.streams import seeded_parameters, stream
from irem_core.tasks import ConnectedComponents, EdgeCopy, ShortestPath


def make(hidden=12, negative=False) -> GraphEnergy:
    with seeded_parameters(0):
        energy = GraphEnergy(hidden).double()
    if negative:  # every node state: no message passes, and the last layer's bias decides
        for layer in energy.trunk.layers:
            layer.nn.bias.data.fill_(-1)
            layer.nn.weight.data.abs_().mul_(-1)
            layer.lin.bias.data.fill_(0.1)
    return energy


def oracle(energy: GraphEnergy, graphs: Data, candidate: torch.Tensor) -> torch.Tensor:
    """The published network by torch-geometric's own layers, with these parameters."""
    plain = PlainGraphEnergy()
    plain.input_map, plain.candidate_map = energy.trunk.embeddings
    plain.layers, plain.head, plain.out = energy.trunk.layers, energy.head, energy.out
    return plain(graphs, candidate)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("task", [EdgeCopy(), EdgeCopy(7, 7), ShortestPath(), EdgeCopy(3, 1)])
def test_energy_and_gradient_equal_torch_geometrics(task, negative):
    """EdgeCopy has asymmetric edges; sizes are mixed but in the second."""
    energy = make(negative=negative)
    problem = task.draw(9, stream("oracle"), torch.float64).problem
    graphs = to_torch_geometric(problem, problem.start)
    candidate = graphs.y.clone().requires_grad_()
    expected = oracle(energy, graphs, candidate)
    (gradient,) = torch.autograd.grad(expected.sum(), candidate)
    exact = {"rtol": 1e-12, "atol": 1e-12}
    torch.testing.assert_close(energy(problem, problem.start), expected, **exact)
    for ours in (
        energy.at(problem).gradient(problem.start),
        autograd_gradient(energy.at(problem), problem.start).detach(),
    ):
        torch.testing.assert_close(ours[problem.mask], gradient[:, 0], **exact)
        assert (ours[~problem.mask] == 0).all()
    if negative:
        states = energy.trunk(
            torch.stack([problem.x, problem.start], -1).view(9, task.size, task.size, 2)
        )
        assert (states < 0).all()


@pytest.mark.parametrize("task", [EdgeCopy(), ShortestPath(), EdgeCopy(3, 1)])
def test_the_gradient_is_differentiated_as_autograd_does(task):
    """The derivative of a loss on dE/dy, by every parameter, twice through autograd."""
    energy = make()
    problem = task.draw(9, stream("twice"), torch.float64).problem
    found = []
    for gradient in (
        energy.at(problem).gradient(problem.start, keep_graph=True),
        autograd_gradient(energy.at(problem), problem.start),
    ):
        energy.zero_grad()
        (
            gradient * torch.linspace(-1, 2, gradient.numel()).view_as(gradient)
        ).square().sum().backward()
        found.append({name: p.grad for name, p in energy.named_parameters()})
    for name, parameter in energy.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(found[0][name], found[1][name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("truncated", [True, False])
def test_the_training_loss_has_autograds_gradient_also_through_every_step(truncated):
    with seeded_parameters(0):
        method = IREM(ShortestPath(), hidden=8, inner_steps=3, truncated=truncated).double()
    batch = ShortestPath().draw(9, stream("loss"), torch.float64)
    found = []
    for by_hand in (True, False):
        method.zero_grad()
        if not by_hand:
            method.energy.at = partial(ByAutograd, method.energy)
        loss, _ = method.loss(batch)
        loss.backward(inputs=[p for p in method.parameters() if p.requires_grad])
        found.append([p.grad.clone() for p in method.parameters() if p.requires_grad])
    for ours, autograds in zip(*found, strict=True):
        torch.testing.assert_close(ours, autograds, rtol=1e-9, atol=1e-12)


def test_messages_go_from_row_to_column():
    energy = make()
    energy.trunk.layers = energy.trunk.layers[:1]
    values = torch.zeros(1, 3, 3, 2, dtype=torch.float64)
    before = energy.trunk(values)
    values[0, 0, 1] = 5.0  # the edge from node 0 to node 1
    changed = (energy.trunk(values) != before).any(dim=2)
    assert changed.tolist() == [[False, True, False]]


@pytest.mark.parametrize("task", [ConnectedComponents(6, 6), EdgeCopy()])
def test_nodes_that_tie_in_the_maximum_share_its_gradient(task):
    energy = make()
    problem = task.draw(9, stream("ties"), torch.float64).problem
    problem = replace(problem, x=(problem.x > 0.5).double(), start=torch.zeros_like(problem.start))
    expected = autograd_gradient(energy.at(problem), problem.start).detach()
    torch.testing.assert_close(energy.at(problem).gradient(problem.start), expected)
    kept = energy.at(problem).gradient(problem.start, keep_graph=True)
    torch.testing.assert_close(kept.detach(), expected)


def test_a_number_that_is_none_is_not_passed_over():
    problem = EdgeCopy().draw(2, stream("nan"), torch.float64).problem
    problem.x[0, 0] = torch.nan
    assert make().at(problem).gradient(problem.start)[0].isnan().any()
    method = IREM(EdgeCopy(), hidden=8, replayed=0).double()
    with pytest.raises(ValueError, match="not finite"):
        method.solve(problem, 1)


def test_the_width_must_be_even():
    with pytest.raises(ValueError, match="hidden must be even"):
        GraphEnergy(7)


def test_gradient_against_finite_differences():
    energy = make()
    problem = EdgeCopy().draw(4, stream("finite"), torch.float64).problem
    nudge = 1e-7 * torch.randn(problem.start.shape, dtype=torch.float64) * problem.mask
    rise = energy(problem, problem.start + nudge) - energy(problem, problem.start - nudge)
    gradient = energy.at(problem).gradient(problem.start)
    torch.testing.assert_close((gradient * nudge).sum(1), rise / 2, rtol=1e-6, atol=1e-15)


class ByAutograd(GraphLandscape):
    """The same landscape with its gradient by autograd."""

    def gradient(self, answer, keep_graph=False):
        gradient = autograd_gradient(self, answer)
        return gradient if keep_graph else gradient.detach()


def test_the_published_network_trains_65920_of_its_83330_numbers():
    """Whatever is initialised how: a unit that is never active has no gradient by chance."""
    touched = {}
    for seed in range(25):
        with seeded_parameters(seed):
            method = IREM(ShortestPath(), hidden=128, inner_steps=1, replayed=0).double()
        method.requires_grad_(True)  # every number that can have a gradient shall have one
        method.energy.at = partial(ByAutograd, method.energy)
        loss, _ = method.loss(ShortestPath().draw(16, stream("trained", seed), torch.float64))
        loss.backward()
        for name, p in method.named_parameters():
            reached = torch.zeros_like(p).bool() if p.grad is None else p.grad != 0
            touched[name] = touched.get(name, False) | reached
    assert sum(mask.numel() for mask in touched.values()) == 83_330
    assert sum(int(mask.sum()) for mask in touched.values()) == 65_920
    made = IREM(ShortestPath(), hidden=128)
    assert made.used_parameters() == 65_920 == 83_330 - 17_410


def test_a_graph_alone_has_the_energy_it_has_in_a_batch():
    energy = make()
    problem = EdgeCopy().draw(6, stream("alone"), torch.float64).problem
    together = energy(problem, problem.start)
    for b in range(6):
        torch.testing.assert_close(
            energy(problem[b : b + 1], problem.start[b : b + 1]), together[b : b + 1]
        )


def test_many_edges_are_done_a_part_at_a_time(monkeypatch):
    energy = make()
    problem = EdgeCopy().draw(20, stream("parts"), torch.float64).problem
    whole = energy.at(problem).gradient(problem.start)
    monkeypatch.setattr("irem_core.graphs.EDGES_AT_ONCE", 10)
    torch.testing.assert_close(energy.at(problem).gradient(problem.start), whole)
    assert isinstance(to_torch_geometric(problem), Batch)
