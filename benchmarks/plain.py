"""The plain implementation: what a competent researcher writes first. Speed is measured against it.

The same mathematics as the suite's own: autograd through the whole network, a data set that makes
one problem at a time, a replay buffer that is a list.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from scipy.sparse.csgraph import floyd_warshall
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINEConv, global_max_pool
from torch_geometric.utils import unbatch

Device = torch.device | str


class PlainGraphEnergy(nn.Module):
    """The published graph energy, edge by edge, by torch-geometric."""

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        self.input_map = nn.Linear(1, hidden // 2)
        self.candidate_map = nn.Linear(1, hidden // 2)
        self.layers = nn.ModuleList(
            GINEConv(nn.Linear(width, hidden), edge_dim=hidden) for width in (1, hidden, hidden)
        )
        self.head = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, graphs: Data, candidate: Tensor) -> Tensor:
        edges = torch.cat([self.input_map(graphs.edge_attr), self.candidate_map(candidate)], dim=1)
        states = graphs.x
        for layer in self.layers:
            states = layer(states, graphs.edge_index, edges)
        return self.out(self.head(global_max_pool(states, graphs.batch)).relu()).squeeze(1)


def plain_shortest_path(smallest: int = 2, largest: int = 10) -> Data:
    """One problem of shortest path: ``edge_attr`` is the input, ``y`` the answer, ``start`` too."""
    n = random.randint(smallest, largest)
    half = np.random.rand(n, n).astype(np.float32)
    lengths = half + half.T
    np.fill_diagonal(lengths, 0)
    distances = floyd_warshall(lengths).astype(np.float32)
    pairs = np.array([(i, j) for i in range(n) for j in range(n)])
    return Data(
        x=torch.zeros(n, 1),
        edge_index=torch.from_numpy(pairs.T),
        edge_attr=torch.from_numpy(lengths.reshape(-1, 1)),
        y=torch.from_numpy(distances.reshape(-1, 1)),
        start=torch.rand(n * n, 1) * 2 - 1,
    )


class PlainGraphTraining:
    """The published training of IREM on shortest path: 512 fresh and 32 replayed graphs."""

    def __init__(
        self, fresh: int = 512, replayed: int = 32, stored: int = 40, device: Device = "cpu"
    ) -> None:
        self.fresh, self.replayed, self.stored = fresh, replayed, stored
        self.device = device
        self.energy = PlainGraphEnergy().to(device)
        self.optimiser = torch.optim.Adam(self.energy.parameters(), lr=1e-4)
        self.buffer: list[Data] = []

    def update(self) -> float:
        """One update: draw, descend, differentiate through the last step, store."""
        graphs = [plain_shortest_path() for _ in range(self.fresh)]
        if self.buffer:
            graphs = random.choices(self.buffer, k=self.replayed) + graphs
        batch: Any = Batch.from_data_list(graphs).to(self.device)
        answer = batch.start
        for step in range(10):
            answer = answer.detach().requires_grad_()
            energy = self.energy(batch, answer).sum()
            (gradient,) = torch.autograd.grad(energy, answer, create_graph=step == 9)
            answer = answer - 100 * gradient
        loss = (answer - batch.y).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self._store(graphs, batch.cpu(), answer.detach().cpu())
        return loss.item()

    def _store(self, graphs: list[Data], batch: Any, answer: Tensor) -> None:
        kept = self.replayed + self.stored if self.buffer else len(graphs)
        answers = unbatch(answer, batch.batch[batch.edge_index[0]])
        for graph, reached in zip(graphs[:kept], answers, strict=False):
            again = graph.clone()
            again.start = reached
            self.buffer.append(again)
        self.buffer = self.buffer[-10_000:]


class PlainMatrixEnergy(nn.Module):
    """The published matrix energy on [y, x]."""

    def __init__(self, side: int, hidden: int = 512) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3 * side**2, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, problem: Tensor, candidate: Tensor) -> Tensor:
        return self.layers(torch.cat([candidate, problem], dim=1)).squeeze(1)

    def descend(
        self, problem: Tensor, answer: Tensor, steps: int, differentiate_last: bool = False
    ) -> list[Tensor]:
        """The answers after 0, 1, ..., ``steps`` steps of size 100."""
        answers = [answer]
        for step in range(steps):
            candidate = answers[-1].detach().requires_grad_()
            energy = self(problem, candidate).sum()
            keep = differentiate_last and step == steps - 1
            (gradient,) = torch.autograd.grad(energy, candidate, create_graph=keep)
            answers.append(candidate - 100 * gradient)
        return answers


class PlainAddition:
    """A data set that makes one problem of addition at a time: input, target and start."""

    def __init__(self, side: int) -> None:
        self.side = side

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        a, b, start = np.random.uniform(-1, 1, (3, self.side, self.side)).astype(np.float32)
        problem = np.concatenate([a.ravel(), b.ravel()])
        rows = (problem, (a + b).ravel(), start.ravel())
        return tuple(map(torch.from_numpy, rows))


class PlainMatrixTraining:
    """The published training of IREM on addition: 512 fresh and 512 replayed problems."""

    def __init__(
        self, side: int = 20, fresh: int = 512, replayed: int = 512, device: Device = "cpu"
    ) -> None:
        self.fresh, self.replayed = fresh, replayed
        self.data = PlainAddition(side)
        self.device = device
        self.energy = PlainMatrixEnergy(side).to(device)
        self.optimiser = torch.optim.Adam(self.energy.parameters(), lr=1e-4)
        self.buffer: list[tuple[Tensor, ...]] = []

    def update(self) -> float:
        """One update: draw, descend, differentiate through the last step, store."""
        rows = [self.data[i] for i in range(self.fresh)]
        if self.buffer:
            rows = random.choices(self.buffer, k=self.replayed) + rows
        columns = (torch.stack(column) for column in zip(*rows, strict=True))
        problem, target, start = (column.to(self.device) for column in columns)
        answer = self.energy.descend(problem, start, 10, differentiate_last=True)[-1]
        loss = (answer - target).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.buffer += zip(problem.cpu(), target.cpu(), answer.detach().cpu(), strict=True)
        self.buffer = self.buffer[-10_000:]
        return loss.item()
