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


def at_own_step(values: NDArray[Any], step: NDArray[np.int64]) -> NDArray[Any]:
    """From values [T+1, B] those of each problem at its own step [B]."""
    return values[step, np.arange(len(step))]
