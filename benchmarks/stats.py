"""Uncertainty of what was measured: functions of arrays. Shapes: S seeds, B problems.

Everything that is resampled comes from a generator that is given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.stats when it is used
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics import Array, rank_correlation

RESAMPLES = 1000
BATCH = 100  # resamples at once: that bounds the memory
LEVEL = 0.95
TRIMMED = 0.25  # on each side


def interval_over_problems(errors: Array) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the mean of errors [B]; it is the same every time.

    (NaN, NaN) where an error is not finite.
    """
    if not np.isfinite(errors).all():
        return float("nan"), float("nan")
    result = scipy.stats.bootstrap(
        (errors,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
        batch=BATCH,
    )
    low, high = result.confidence_interval
    return float(low), float(high)


def resampled_means(methods: Sequence[Array], rng: np.random.Generator) -> list[Array]:
    """Mean errors of methods, from their errors [S, B], with seeds and then problems resampled.

    Gives [R] for each. Methods that answered as many problems answered the same ones, which are
    resampled once: that pairs the methods. Each has seeds of its own. NaN for a method whose errors
    are not finite, or which has one seed and one problem alone.
    """
    counts = sorted({each.shape[1] for each in methods})
    problems = {count: _drawn(count, rng) for count in counts}  # [R, B]

    def means(errors: Array) -> Array:
        if errors.size == 1 or not np.isfinite(errors).all():
            return np.full(RESAMPLES, np.nan)
        return ((_drawn(len(errors), rng) @ errors) * problems[errors.shape[1]]).sum(axis=1)

    return [means(errors) for errors in methods]


def resampled_correlation(first: Array, second: Array, rng: np.random.Generator) -> Array:
    """Rank correlations [R] over problems of first [B] and the mean over seeds of second [S, B].

    Seeds and then problems are resampled. NaN where either is the same for all.
    """
    seeds, problems = second.shape
    drawn = rng.integers(problems, size=(RESAMPLES, problems))
    means = _drawn(seeds, rng) @ second  # [R, B]
    return rank_correlation(first[drawn].T, np.take_along_axis(means, drawn, axis=1).T)


def interval(values: Array) -> tuple[float, float]:
    """The middle 95 % of resampled values [R]; (NaN, NaN) if one is not a number."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resampled_interquartile_mean(scores: Sequence[Array], rng: np.random.Generator) -> Array:
    """Interquartile means [R] of scores in several cases, each [S], with the seeds resampled.

    NaN if every case has one seed alone.
    """
    if all(each.size == 1 for each in scores):
        return np.full(RESAMPLES, np.nan)
    batches = (
        np.concatenate([rng.choice(each, (BATCH, each.size)) for each in scores], axis=1)
        for _ in range(RESAMPLES // BATCH)
    )
    return np.concatenate([scipy.stats.trim_mean(each, TRIMMED, axis=1) for each in batches])


def interquartile_mean(scores: ArrayLike) -> float:
    """The mean of the middle half of the scores (Agarwal et al., 2021)."""
    return float(scipy.stats.trim_mean(np.asarray(scores).ravel(), TRIMMED))


def probability_of_improvement(errors: ArrayLike, others: ArrayLike) -> float:
    """P(a run's error is below that of a run of the other method), a tie counts half.

    errors, others: of runs, in any number (Agarwal et al., 2021: the Mann-Whitney U).
    """
    u = scipy.stats.mannwhitneyu(others, errors, method="asymptotic").statistic
    return float(u / (np.size(errors) * np.size(others)))


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """The share of scores above each threshold (Dolan and Moré, 2002)."""
    return np.mean(np.ravel(scores)[:, None] > np.ravel(thresholds), axis=0)


def _drawn(count: int, rng: np.random.Generator) -> Array:
    """How often each of ``count`` is drawn, in ``count`` draws, as a share: [R, count]."""
    drawn = rng.integers(count, size=(RESAMPLES, count))
    drawn += count * np.arange(RESAMPLES)[:, None]  # each resample has bins of its own
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count) / count
