"""Uncertainty of what was measured: functions of arrays. Shapes: S seeds, B problems.

A measured number varies with the training seeds and with the test problems. Each of the two has a
standard error of its own and the Student t quantile of its own degrees of freedom; the half width
of an interval is the root of the sum of both squares (Graybill and Wang, 1980). A percentile
bootstrap of few seeds is too narrow. docs/intervals.md has the coverage of both in simulations.

With one seed there is nothing to say how much seeds differ, so the interval is over problems alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.stats when it is used
from numpy.typing import ArrayLike, NDArray

from benchmarks.metrics import Array, rank_correlation, skill

RESAMPLES = 1000
BATCH = 100  # resamples at once: that bounds the memory
LEVEL = 0.95
GROUPS = 100  # of problems, in the jackknife
TRIMMED = 0.25  # on each side

Interval = tuple[float, float]
"""Its lower and its upper end."""
NO_INTERVAL: Interval = (float("nan"), float("nan"))


def interval_over_problems(errors: Array) -> Interval:
    """95 % percentile bootstrap interval of the mean of errors [B]; it is the same every time.

    For the many problems of one evaluation. (NaN, NaN) where an error is not finite.
    """
    if not np.isfinite(errors).all():
        return NO_INTERVAL
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


def mean_interval(errors: Array) -> Interval:
    """95 % interval of the mean of errors [S, B].

    (NaN, NaN) for a single number, or where one is not finite.
    """
    mean = float(errors.mean())
    return _by_factor(mean, _half_width([errors.mean(axis=1)], [errors.mean(axis=0)]))


def change_interval(changes: Array) -> Interval:
    """95 % interval of the mean of differences [S, B] between two answers of the same runs.

    (NaN, NaN) as for ``mean_interval``.
    """
    half = _half_width([changes.mean(axis=1)], [changes.mean(axis=0)])
    return float(changes.mean()) - half, float(changes.mean()) + half


def ratio_interval(first: Array, second: Array) -> Interval:
    """95 % interval of mean(first) / mean(second) of errors [S, B] of the same runs.

    By the delta method. (NaN, NaN) where the second mean is 0, or as for ``mean_interval``.
    """
    if not second.mean() > 0:
        return NO_INTERVAL
    ratio = float(first.mean() / second.mean())
    off = (first - ratio * second) / second.mean()
    return _by_factor(ratio, _half_width([off.mean(axis=1)], [off.mean(axis=0)]))


def difference_interval(first: Array, second: Array) -> Interval:
    """95 % interval of how much larger the mean of the first errors [S, B] is.

    Methods that answered as many problems answered the same ones, which pairs them; each has seeds
    of its own. (NaN, NaN) as for ``mean_interval``.
    """
    over_problems = [first.mean(axis=0), -second.mean(axis=0)]
    if first.shape[1] == second.shape[1]:
        over_problems = [over_problems[0] + over_problems[1]]
    over_seeds = [first.mean(axis=1), -second.mean(axis=1)]
    difference, half = first.mean() - second.mean(), _half_width(over_seeds, over_problems)
    return float(difference) - half, float(difference) + half


def skill_interval(
    errors: Array, trivial: Array, best: float, best_uncertainty: float = 0.0
) -> Interval:
    """95 % interval of the skill of a method with errors [S, B], by the delta method.

    trivial: errors [B] of the best trivial predictor on the same problems; best: the lowest known
    mean error, with its standard error. (NaN, NaN) where there is no skill, or as for
    ``mean_interval``.
    """
    found = skill(errors.mean(), trivial.mean(), best)
    if np.isnan(found):
        return NO_INTERVAL
    headroom = trivial.mean() - best
    by_problem = (trivial - errors.mean(axis=0) - found * trivial) / headroom
    known = found * best_uncertainty / headroom
    half = _half_width([errors.mean(axis=1) / headroom], [by_problem], known)
    low, high = _by_factor(1 - found, half)
    return 1 - high, 1 - low


def correlation_interval(first: Array, second: Array) -> Interval:
    """95 % interval of the rank correlation over problems of first [B] and the mean of second.

    second: [S, B]. By the jackknife over seeds and over groups of problems, on Fisher's scale.
    (NaN, NaN) where either is the same for all problems, or a part of them is in perfect order.
    """
    seeds, problems = second.shape
    found = _correlation(first, second)
    groups = [np.arange(problems) % GROUPS == group for group in range(min(problems, GROUPS))]
    without_problems = [_correlation(first[~left_out], second[:, ~left_out]) for left_out in groups]
    without_seed = [
        _correlation(first, np.delete(second, seed, axis=0)) for seed in range(seeds) if seeds > 1
    ]
    if any(abs(each) == 1 for each in (found, *without_problems, *without_seed)):
        return NO_INTERVAL
    centre = np.arctanh(found)
    half = _half_width(
        [_pseudo_values(centre, np.arctanh(without_seed))],
        [_pseudo_values(centre, np.arctanh(without_problems))],
    )
    return float(np.tanh(centre - half)), float(np.tanh(centre + half))


def interquartile_mean_interval(scores: Sequence[Array]) -> Interval:
    """95 % interval over seeds of the interquartile mean of scores in several cases, each [S].

    From the variance of the winsorised scores (Tukey and McLaughlin, 1963). (NaN, NaN) if a case
    has one seed alone, or no score within the middle half varies.
    """
    if any(of_case.size < 2 for of_case in scores):
        return NO_INTERVAL
    every = np.concatenate(scores)
    cut = int(TRIMMED * every.size)
    ordered = np.sort(every)
    low, high = ordered[cut], ordered[-1 - cut]
    kept = every.size - 2 * cut
    parts = [np.clip(of_case, low, high) * of_case.size / kept for of_case in scores]
    mean, half = interquartile_mean(every), _half_width(parts, [])
    return (mean - half, mean + half) if half > 0 else NO_INTERVAL


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


def _half_width(seeds: Sequence[Array], problems: Sequence[Array], known: float = 0.0) -> float:
    """Of the interval of a sum of means: of samples over seeds, and of samples over problems.

    known: a further standard error. NaN if no sample has two values, or one is not finite; infinite
    where squares are too large for float64.
    """
    samples = [*seeds, *problems]
    varies = any(sample.size > 1 for sample in samples)
    if not varies or not all(np.isfinite(sample).all() for sample in samples):
        return float("nan")
    normal = scipy.stats.norm.ppf((1 + LEVEL) / 2)
    with np.errstate(over="ignore"):
        return float(np.linalg.norm([_of_sum(seeds), _of_sum(problems), normal * known]))


def _of_sum(samples: Sequence[Array]) -> float:
    """Half width of the interval of a sum of means of independent samples (Welch, 1947)."""
    samples = [sample for sample in samples if sample.size > 1]
    variances = np.array([sample.var(ddof=1) / sample.size for sample in samples])
    total = variances.sum()
    if total == 0 or not np.isfinite(total):
        return float(total)
    sizes = np.array([sample.size for sample in samples])
    freedom = total**2 / (variances**2 / (sizes - 1)).sum()
    return float(scipy.stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(total))


def _by_factor(value: float, half: float) -> Interval:
    """An interval that is symmetric on a logarithmic scale, of half width ``half`` to first order.

    Errors of seeds differ by factors, and none is below 0. A value that is not above 0, which the
    skill of an exact method may give, has the symmetric interval.
    """
    if not value > 0:
        return value - half, value + half
    with np.errstate(over="ignore"):  # of seeds that differ a thousandfold nothing is known
        factor = float(np.exp(half / value))
    return value / factor, value * factor


def _correlation(first: Array, second: Array) -> float:
    """Of first [B] and the mean of second [S, B]."""
    return float(rank_correlation(first[:, None], second.mean(axis=0)[:, None])[0])


def _pseudo_values(of_all: float, without: ArrayLike) -> Array:
    """Of the jackknife (Tukey, 1958): their mean is nearly the statistic, their spread its own."""
    left_out = np.asarray(without)
    return left_out.size * of_all - (left_out.size - 1) * left_out
