"""The plain implementation computes what ours does, or the ratios to it would mean nothing."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from benchmarks.plain import PlainGraphTraining, PlainMatrixTraining, plain_shortest_path
from irem_core import IREM
from irem_core.graphs import from_torch_geometric
from irem_core.tasks import Addition, ShortestPath
from irem_core.types import Batch as Problems
from irem_core.types import Problem


def test_one_update_has_the_loss_and_the_gradients_of_ours(monkeypatch):
    """In float64: what one update would change every parameter by is the same."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    method = IREM(ShortestPath(), replayed=0, hidden=16).double()
    training = PlainGraphTraining(fresh=12)
    trunk, plain = method.energy.trunk, training.energy
    plain.input_map, plain.candidate_map = trunk.embeddings
    plain.layers, plain.head, plain.out = trunk.layers, method.energy.head, method.energy.out
    training.optimiser = torch.optim.SGD(method.parameters(), lr=0.0)
    graphs = [plain_shortest_path().apply(as_double) for _ in range(12)]
    drawn = iter(graphs)
    monkeypatch.setattr("benchmarks.plain.plain_shortest_path", lambda: next(drawn))
    loss = training.update()
    trained = {name: p for name, p in method.named_parameters() if p.requires_grad}
    theirs = {name: p.grad.clone() for name, p in trained.items()}

    problem = from_torch_geometric(Batch.from_data_list(graphs))
    start, target = torch.zeros_like(problem.x), torch.zeros_like(problem.x)
    start[problem.mask] = torch.cat([graph.start for graph in graphs])[:, 0]
    target[problem.mask] = torch.cat([graph.y for graph in graphs])[:, 0]
    method.zero_grad()
    ours, _ = method.loss(Problems(replace(problem, start=start), target))
    ours.backward(inputs=list(trained.values()))
    assert ours.item() == pytest.approx(loss, rel=1e-9)
    for name, parameter in trained.items():
        torch.testing.assert_close(parameter.grad, theirs[name], rtol=1e-8, atol=1e-10)


def as_double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor


def test_replayed_graphs_go_on_from_their_answers():
    training = PlainGraphTraining(fresh=6, replayed=2, stored=3)
    training.update()
    assert len(training.buffer) == 6
    training.update()
    assert len(training.buffer) == 6 + 2 + 3
    assert all(graph.start.shape == graph.y.shape for graph in training.buffer)


def test_one_matrix_update_has_the_loss_and_the_gradients_of_ours(monkeypatch):
    np.random.seed(0)
    torch.manual_seed(0)
    method = IREM(Addition(size=3), replayed=0, hidden=16).double()
    training = PlainMatrixTraining(side=3, fresh=12)
    theirs = training.energy.double()
    first, second, third, out = (layer for layer in theirs.layers if isinstance(layer, nn.Linear))
    theirs.layers = nn.Sequential(
        *(each for layer in method.energy.layers for each in (layer, nn.SiLU())), method.energy.out
    )
    assert first.weight.shape == (512, 27)
    assert (second.weight.shape, third.weight.shape, out.weight.shape[0]) == (
        (512, 512), (512, 512), 1,
    )  # fmt: skip
    training.optimiser = torch.optim.SGD(method.parameters(), lr=0.0)
    rows = [tuple(row.double() for row in training.data[i]) for i in range(12)]
    monkeypatch.setattr(training, "data", rows)
    loss = training.update()
    trained = {name: p for name, p in method.named_parameters() if p.requires_grad}
    expected = {name: p.grad.clone() for name, p in trained.items()}
    problem, target, start = (torch.stack(column) for column in zip(*rows, strict=True))
    torch.testing.assert_close(problem.view(12, 2, 9).sum(1), target)
    method.zero_grad()
    ours, _ = method.loss(Problems(Problem(problem, start), target))
    ours.backward(inputs=list(trained.values()))
    assert ours.item() == pytest.approx(loss, rel=1e-9)
    for name, parameter in trained.items():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-8, atol=1e-10)
