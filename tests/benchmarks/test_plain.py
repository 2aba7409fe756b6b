"""The plain implementation computes what ours does, or the ratios to it would mean nothing."""

import numpy as np
import torch
from torch_geometric.data import Batch

from benchmarks.plain import PlainGraphEnergy, PlainGraphTraining, plain_shortest_path
from irem_core import IREM
from irem_core.graphs import from_torch_geometric
from irem_core.tasks import ShortestPath
from irem_core.types import Batch as Problems


def same_parameters(plain: PlainGraphEnergy, ours) -> None:
    plain.input_map, plain.candidate_map = ours.trunk.embeddings
    plain.layers, plain.head, plain.out = ours.trunk.layers, ours.head, ours.out


def test_one_update_has_the_loss_and_the_gradients_of_ours(monkeypatch):
    method = IREM(ShortestPath(), replayed=0, hidden=16)
    training = PlainGraphTraining(fresh=12)
    same_parameters(training.energy, method.energy)
    training.optimiser = torch.optim.SGD(method.parameters(), lr=0.0)
    graphs = [plain_shortest_path() for _ in range(12)]
    drawn = iter(graphs)
    monkeypatch.setattr("benchmarks.plain.plain_shortest_path", lambda: next(drawn))
    loss = training.update()
    theirs = {name: p.grad.clone() for name, p in method.named_parameters() if p.requires_grad}

    problem = from_torch_geometric(Batch.from_data_list(graphs))
    start, target = torch.zeros_like(problem.x), torch.zeros_like(problem.x)
    start[problem.mask] = torch.cat([graph.start for graph in graphs])[:, 0]
    target[problem.mask] = torch.cat([graph.y for graph in graphs])[:, 0]
    method.zero_grad()
    ours, _ = method.loss(Problems(type(problem)(problem.x, start, problem.nodes), target))
    ours.backward()
    np.testing.assert_allclose(ours.item(), loss, rtol=1e-4)
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, theirs[name], rtol=1e-2, atol=1e-4)


def test_replayed_graphs_go_on_from_their_answers():
    training = PlainGraphTraining(fresh=6, replayed=2, stored=3)
    training.update()
    assert len(training.buffer) == 6
    training.update()
    assert len(training.buffer) == 6 + 2 + 3
    assert all(graph.start.shape == graph.y.shape for graph in training.buffer)
