"""Uncertainty of what was measured."""

from __future__ import annotations

import numpy as np
from scipy.stats import bootstrap

from benchmarks.metrics import Array

RESAMPLES = 1000


def interval_over_problems(errors: Array) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of errors [B]; it is the same every time.

    (NaN, NaN) where an error is not finite.
    """
    if not np.isfinite(errors).all():
        return float("nan"), float("nan")
    result = bootstrap(
        (errors,),
        np.mean,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
        batch=100,
    )
    low, high = result.confidence_interval
    return float(low), float(high)
