"""Graph reasoning (Du et al., 2022): edge copy, connected components, shortest path.

A problem is a complete directed graph with self-loops and one value per edge. Graphs of different
size share a batch as N x N matrices, N the largest size, with zeros beyond each graph's nodes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from irem_core.checks import at_least, positive
from irem_core.tasks.matrix import uniform
from irem_core.types import Batch, Problem, described, pair_mask


@dataclass(frozen=True)
class GraphTask(ABC):
    """One value per edge to one value per edge, on graphs of ``smallest`` to ``size`` nodes.

    The number of nodes of every graph is drawn uniformly. As it stands a task is what the paper
    trains on; ``test`` gives the one of exactly n nodes.
    """

    size: int = 10
    smallest: int = 2

    name: ClassVar[str]
    domain: ClassVar[str] = "graph"
    entrywise: ClassVar[bool] = False
    binary: ClassVar[bool] = False

    def __post_init__(self) -> None:
        at_least(1, smallest=self.smallest)
        at_least(self.smallest, size=self.size)

    __str__ = described

    @property
    def n_in(self) -> int:
        return self.size**2

    @property
    def n_out(self) -> int:
        return self.size**2

    def test(self, size: int, difficulty: str | float) -> Self:
        """The task of exactly ``size`` nodes; a size that is not trained on is ``harder``.

        Raises ValueError where size and difficulty contradict each other.
        """
        if difficulty != self.difficulty_of(size):
            raise ValueError(
                f"{self.name}: {size} nodes are {self.difficulty_of(size)!r}, not {difficulty!r}"
            )
        return replace(self, size=size, smallest=size)

    def difficulty_of(self, size: int) -> str:
        """``same`` up to the size trained on, ``harder`` above."""
        return "same" if size <= self.size else "harder"

    def levels(self) -> list[str]:
        """None: what makes graphs harder is their size."""
        return []

    def check(self, problem: Problem) -> None:
        shape = list(problem.start.shape)
        if problem.nodes is None or list(problem.x.shape) != shape or problem.side**2 != shape[1]:
            raise ValueError(
                f"{self}: x and start must both be of shape [B, N²] and nodes given, not "
                f"{list(problem.x.shape)}, {shape} and nodes {problem.nodes}"
            )
        if not (problem.x.isfinite().all() and problem.start.isfinite().all()):
            raise ValueError(f"{self}: x or start has entries that are not finite")
        if not ((problem.nodes >= 1) & (problem.nodes <= problem.side)).all():
            raise ValueError(f"{self}: nodes must be from 1 to {problem.side}")

    def draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Batch:
        """``count`` fresh problems, on the generator's device, padded to ``size`` nodes."""
        nodes = torch.randint(
            self.smallest,
            self.size + 1,
            (count,),
            generator=generator,
            device=generator.device,
        )
        mask = pair_mask(nodes, self.size)  # [B, N²]
        edges = self._draw(nodes, generator, dtype).flatten(1) * mask
        start = uniform((count, self.n_out), generator, dtype) * mask
        problem = Problem(edges, start, nodes)
        return Batch(problem, self.exact(problem))

    def exact(self, problem: Problem) -> Float[Tensor, "B N*N"]:
        """The right answers to any problems of this kind."""
        assert problem.nodes is not None
        edges = problem.x.unflatten(1, (problem.side, problem.side))
        return self.answer(edges, problem.nodes).flatten(1) * problem.mask

    def written(self, values: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        """The input that stands for a graph with these values, NaN where there is no edge.

        Raises ValueError for values that mean nothing in this task.
        """
        if len(values) == 0:
            raise ValueError("a graph needs at least one node")
        if values.isinf().any():
            raise ValueError("an edge has a value that is not finite")
        return self._written(values)

    def _written(self, values: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        """An edge that is not there has the value 0, unless a task says otherwise."""
        return values.nan_to_num(nan=0.0)

    @abstractmethod
    def answer(
        self, edges: Float[Tensor, "B N N"], nodes: Int[Tensor, " B"]
    ) -> Float[Tensor, "B N N"]:
        """The right answers, exact; beyond a graph's nodes anything."""

    @abstractmethod
    def _draw(
        self, nodes: Int[Tensor, " B"], generator: torch.Generator, dtype: torch.dtype
    ) -> Float[Tensor, "B N N"]:
        """Edge values; beyond a graph's nodes anything."""

    def _shape(self, nodes: Int[Tensor, " B"]) -> tuple[int, int, int]:
        return (len(nodes), self.size, self.size)


@dataclass(frozen=True)
class EdgeCopy(GraphTask):
    """Edge values from U(-1, 1) -> the same values."""

    name: ClassVar[str] = "edge_copy"
    entrywise: ClassVar[bool] = True

    def answer(
        self, edges: Float[Tensor, "B N N"], nodes: Int[Tensor, " B"]
    ) -> Float[Tensor, "B N N"]:
        return edges

    def _draw(
        self, nodes: Int[Tensor, " B"], generator: torch.Generator, dtype: torch.dtype
    ) -> Float[Tensor, "B N N"]:
        return uniform(self._shape(nodes), generator, dtype)


@dataclass(frozen=True)
class ConnectedComponents(GraphTask):
    """1 for a directed edge, else 0 -> 1 where i and j are in one weakly connected component.

    Every directed pair, the diagonal too, is an edge with ``probability``. With ``mean_degree`` it
    is an edge with mean_degree / n (at most 1) in its place, so that size and the balance of the
    answers do not change together.
    """

    probability: float = 0.05
    mean_degree: float | None = None

    name: ClassVar[str] = "connected_components"
    binary: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        positive(probability=self.probability)
        if self.probability > 1:
            raise ValueError(f"probability must be at most 1, not {self.probability!r}")
        object.__setattr__(self, "probability", float(self.probability))
        if self.mean_degree is not None:
            positive(mean_degree=self.mean_degree)
            object.__setattr__(self, "mean_degree", float(self.mean_degree))

    def answer(
        self, edges: Float[Tensor, "B N N"], nodes: Int[Tensor, " B"]
    ) -> Float[Tensor, "B N N"]:
        return connected(edges.bool()).to(edges.dtype)

    def _written(self, values: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        """An edge is 1, whatever its value, and 0 where there is none."""
        return (~values.isnan()).to(values.dtype)

    def _draw(
        self, nodes: Int[Tensor, " B"], generator: torch.Generator, dtype: torch.dtype
    ) -> Float[Tensor, "B N N"]:
        chance = torch.rand(
            self._shape(nodes), generator=generator, device=generator.device, dtype=torch.float32
        )
        if self.mean_degree is None:
            return (chance < self.probability).to(dtype)
        return (chance < self.mean_degree / nodes[:, None, None]).to(dtype)


@dataclass(frozen=True)
class ShortestPath(GraphTask):
    """W = U + U' with zero diagonal, U from U(0, 1) -> the lengths of all shortest paths."""

    name: ClassVar[str] = "shortest_path"

    def check(self, problem: Problem) -> None:
        super().check(problem)
        if (problem.x < 0).any():
            raise ValueError(f"{self}: x has negative lengths, between which no path is shortest")

    def _written(self, values: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        """An edge that is not there is longer than all others together, so that no path uses it.

        The length of an edge from a node to itself is 0, whatever was given, as no path needs it.
        The distance between nodes that no path connects is that length.
        """
        lengths = values.clone().fill_diagonal_(0)
        if (lengths < 0).any():
            raise ValueError("an edge has a negative length: no path around it is shortest")
        return lengths.nan_to_num(nan=float(lengths.nansum()) + 1)

    def answer(
        self, edges: Float[Tensor, "B N N"], nodes: Int[Tensor, " B"]
    ) -> Float[Tensor, "B N N"]:
        real = pair_mask(nodes, edges.shape[1]).view(edges.shape)
        return shortest_distances(edges.masked_fill(~real, torch.inf)).masked_fill(~real, 0)

    def _draw(
        self, nodes: Int[Tensor, " B"], generator: torch.Generator, dtype: torch.dtype
    ) -> Float[Tensor, "B N N"]:
        half = torch.rand(
            self._shape(nodes), generator=generator, device=generator.device, dtype=dtype
        )
        symmetric = half + half.mT
        symmetric.diagonal(dim1=1, dim2=2).zero_()
        return symmetric


def shortest_distances(lengths: Float[Tensor, "B N N"]) -> Float[Tensor, "B N N"]:
    """All shortest paths, by allowing one more node on the way at a time (Floyd, 1962)."""
    distances = lengths.clone()
    distances.diagonal(dim1=1, dim2=2).clamp_(max=0)  # staying where one is costs nothing
    for via in range(lengths.shape[1]):
        detour = distances[:, :, via, None] + distances[:, None, via, :]
        torch.minimum(distances, detour, out=distances)
    return distances


def connected(edges: Bool[Tensor, "B N N"]) -> Bool[Tensor, "B N N"]:
    """Which nodes are in one weakly connected component."""
    *_, reach = reachability(edges)
    return reach


def reachability(edges: Bool[Tensor, "B N N"]) -> Iterator[Bool[Tensor, "B N N"]]:
    """Who reaches whom in at most 2, 4, 8, ... edges either way, by squaring; at last, at all."""
    eye = torch.eye(edges.shape[1], dtype=torch.bool, device=edges.device)
    reach = edges | edges.mT | eye
    for _ in range(squarings(edges.shape[1])):
        reach = (reach.float() @ reach.float()) > 0
        yield reach


def squarings(nodes: int) -> int:
    """How often paths are doubled, at least once, until they have ``nodes`` - 1 edges."""
    return max(1, math.ceil(math.log2(max(1, nodes - 1))))
