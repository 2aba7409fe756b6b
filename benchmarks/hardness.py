"""Difficulty as a number: how hard each test problem is, beside others of its task."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.tasks.graph import shortest_distances
from irem_core.types import Problem, Task


class Hardness(NamedTuple):
    """What says how hard a problem is: a number that is larger for harder ones.

    varies: whether problems of one size and difficulty differ in it by more than chance.
    """

    name: str
    of: Callable[[Problem], Float[Tensor, " B"]]
    varies: bool = True


def hardness(task: Task) -> Hardness | None:
    """What says how hard the problems of a task are; None if nothing is known to."""
    return _HARDNESS.get(type(task))


def _square(problem: Problem) -> Float[Tensor, "B n n"]:
    return problem.x.unflatten(1, (problem.side, problem.side))


def _largest_input(problem: Problem) -> Float[Tensor, " B"]:
    return problem.x.abs().amax(dim=1)


def _share_missing(problem: Problem) -> Float[Tensor, " B"]:
    return (problem.x == 0).to(problem.x).mean(dim=1)


def _condition_number(problem: Problem) -> Float[Tensor, " B"]:
    return torch.linalg.cond(_square(problem))


def _nodes(problem: Problem) -> Float[Tensor, " B"]:
    return problem.entries.to(problem.x).sqrt()


def _diameter(problem: Problem) -> Float[Tensor, " B"]:
    """Edges on the longest of the ways with the fewest edges, within a component."""
    edges = _square(problem).bool()
    steps = torch.where(edges | edges.mT, 1.0, torch.inf).to(problem.x)
    return shortest_distances(steps).flatten(1).nan_to_num(posinf=0).amax(dim=1)


def _longest_shortest_path(problem: Problem) -> Float[Tensor, " B"]:
    """The most edges that a shortest path has: of equal ones that with the fewest."""
    real = problem.mask.view(_square(problem).shape)
    lengths = _square(problem).masked_fill(~real, torch.inf)
    final = shortest_distances(lengths)
    reached = shortest_distances(lengths.new_full(lengths.shape, torch.inf))  # by 0 edges
    most = problem.x.new_zeros(len(problem))
    for edges in range(1, problem.side):
        late = ((reached > final + _ROUNDING) & real).flatten(1).any(dim=1)
        if not late.any():
            break
        most[late] = edges
        reached = torch.minimum(reached, (reached[:, :, :, None] + lengths[:, None]).amin(dim=2))
    return most


_ROUNDING = 1e-9  # of sums of the same lengths in another order

_HARDNESS = {
    Addition: Hardness("largest input", _largest_input, varies=False),
    Completion: Hardness("share that is missing", _share_missing),
    Inverse: Hardness("condition number", _condition_number),
    EdgeCopy: Hardness("nodes", _nodes, varies=False),
    ConnectedComponents: Hardness("diameter of a component", _diameter),
    ShortestPath: Hardness("edges on the longest shortest path", _longest_shortest_path),
}
