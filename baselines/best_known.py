"""The least error that is known to be possible, task by task."""

from __future__ import annotations

from typing import NamedTuple

from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.types import Task


class BestKnown(NamedTuple):
    """A mean squared error over entries, and the standard uncertainty of its estimate."""

    mse: float
    uncertainty: float


EXACT = (Addition, Inverse, EdgeCopy, ConnectedComponents, ShortestPath)
"""Tasks that have an exact algorithm."""

COMPLETION = {
    Completion(): BestKnown(0.0162, 0.0002),
    Completion().at("harder"): BestKnown(0.157, 0.003),
}
"""Estimates of the near-Bayes posterior mean (Gibbs sampling), for these values of the task."""


def best_known(task: Task) -> BestKnown | None:
    """0 where a classical algorithm is exact, an estimate for completion, None if none is known."""
    if isinstance(task, Completion):
        return COMPLETION.get(task)
    return BestKnown(0.0, 0.0) if isinstance(task, EXACT) else None
