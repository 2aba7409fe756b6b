"""Metrics: pure functions of arrays. Shapes: B problems, T+1 answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SOLVED_AT = 0.01  # of the variance of the task's answers at ``same`` difficulty


def skill(mse: float, mse_trivial: float, mse_best: float | None) -> float:
    """(mse_trivial - mse) / (mse_trivial - mse_best): 1 the algorithm, 0 no better than trivial.

    NaN where no best error is known, or where the trivial predictor is as good as the best.
    """
    if mse_best is None or mse_trivial <= mse_best:
        return float("nan")
    return (mse_trivial - mse) / (mse_trivial - mse_best)


def solved(errors: Array, variance: float) -> NDArray[np.bool_]:
    """Whether an error, of any shape, is at most 1 % of the variance of the answers."""
    return errors <= SOLVED_AT * variance


def expected(values: NDArray[Any], weights: Array) -> Array:
    """sum_t weights * values over the steps, [T+1, B] -> [B]: of each problem, at its own steps.

    What has no weight does not count, even if it is not finite.
    """
    return (np.where(weights > 0, values, 0.0) * weights).sum(axis=0)


def certain(step: NDArray[np.integer[Any]], count: int) -> Array:
    """All weight on the own step [B] of each problem, of ``count`` steps: [count, B]."""
    return (np.arange(count)[:, None] == step).astype(np.float64)
