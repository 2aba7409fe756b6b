"""Uncertainty of what was measured: functions of arrays. Shapes: S seeds, B problems.

Everything that is resampled comes from a generator that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, ecdf, mannwhitneyu, trim_mean

from benchmarks.metrics import Array

RESAMPLES = 1000
LEVEL = 0.95


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
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
        batch=100,
    )
    low, high = result.confidence_interval
    return float(low), float(high)


def resampled_means(methods: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Means of errors, each [S, B], over resampled seeds and then resampled problems: [R] each.

    The problems are the same for all methods, so they are resampled once, which pairs the methods;
    each has seeds of its own. With one seed, or one problem, there is nothing to resample there.
    Raises ValueError if the numbers of problems differ.
    """
    counts = {each.shape[1] for each in methods}
    if len(counts) > 1:
        raise ValueError(f"paired methods answer the same problems, not {sorted(counts)} of them")
    shared = _drawn(counts.pop(), rng)  # [R, B]
    return [((_drawn(len(each), rng) @ each) * shared).sum(axis=1) for each in methods]


def interval(
    statistic: Callable[..., Any], methods: Sequence[Array], rng: np.random.Generator
) -> tuple[float, float]:
    """95 % interval of a statistic of the methods' mean errors, over seeds and then problems.

    ``statistic`` takes an array of means for each method, errors [S, B], and gives one of values.
    (NaN, NaN) where an error is not finite, or there is one seed and one problem alone.
    """
    nothing_to_draw = all(each.size == 1 for each in methods)
    if nothing_to_draw or not all(np.isfinite(each).all() for each in methods):
        return float("nan"), float("nan")
    values = statistic(*resampled_means(methods, rng))
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def difference(first: Array, second: Array) -> Array:
    """A statistic for ``interval``: how much larger the first mean is."""
    return first - second


def interquartile_mean(scores: ArrayLike) -> float:
    """The mean of the middle half of the scores (Agarwal et al., 2021)."""
    return float(trim_mean(np.asarray(scores).ravel(), 0.25))


def probability_of_improvement(errors: ArrayLike, others: ArrayLike) -> float:
    """P(a run's error is below that of a run of the other method), a tie counts half.

    errors, others: of runs, in any number (Agarwal et al., 2021: the Mann-Whitney U).
    """
    first, second = np.asarray(errors), np.asarray(others)
    return float(
        mannwhitneyu(second, first, method="asymptotic").statistic / (first.size * second.size)
    )


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """The share of scores above each threshold (Dolan and Moré, 2002)."""
    return np.asarray(ecdf(np.asarray(scores).ravel()).sf.evaluate(np.asarray(thresholds)))


def _drawn(count: int, rng: np.random.Generator) -> Array:
    """How often each of ``count`` is drawn, in ``count`` draws, as a share: [R, count]."""
    return rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES) / count
