"""Metrics: pure functions of arrays. Shapes: B problems, T+1 answers; costs are cumulative."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy  # loads scipy.stats when it is used
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

SOLVED_AT = 0.01  # of the variance of the task's answers at ``same`` difficulty
PERMUTATIONS = 1000
CLEARLY = 2.0  # standard errors
EXACT = 1e-12  # more than what float64 answers err that are right


def skill(mse: float, mse_trivial: float, mse_best: float | None) -> float:
    """(mse_trivial - mse) / (mse_trivial - mse_best): 1 the algorithm, 0 no better than trivial.

    NaN where no best error is known, or where the trivial predictor is as good as the best.
    """
    if mse_best is None or mse_trivial <= mse_best + EXACT:
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


def at_cost(errors: Array, cost: Array, budgets: ArrayLike) -> Array:
    """Errors [T+1, B] of the answers that are there when so much is spent: [len(budgets), B].

    cost: [T+1], 0 at the start and growing. Between two steps the answer is that of the last one
    that is finished.
    """
    return errors[np.searchsorted(cost, np.asarray(budgets), side="right") - 1]


def anytime_score(errors: Array, cost: Array, begin: float, end: float) -> float:
    """1 / ln(end / begin) * integral from begin to end of mean_i e_i(b) d ln b.

    The area under the mean error [T+1, B] against the logarithm of the cost [T+1]; that of the last
    answer, not of the best so far. An error that is not finite makes the score so; NaN where the
    cost is not known. Raises ValueError unless 0 < begin < end.
    """
    if not 0 < begin < end:
        raise ValueError(f"costs go from one above 0 to a larger one, not from {begin} to {end}")
    if not np.isfinite(cost).all():
        return float("nan")
    edges = np.log(np.clip([*cost, np.inf], begin, end))
    spent = np.diff(edges)  # [T+1], with each answer
    return float((errors.mean(axis=1)[spent > 0] * spent[spent > 0]).sum() / np.log(end / begin))


def overthinking(errors: Array) -> float:
    """mean_i [e_i(T) - min_t e_i(t)], of errors [T+1, B]: what going on has cost."""
    return float((errors[-1] - errors.min(axis=0)).mean())


def steps_to_target(errors: Array, target: float) -> Array:
    """The first step from which on the error [T+1, B] stays at or under the target: [B].

    NaN for a problem that has none; the share of those that have one belongs to every mean.
    """
    above = ~(errors <= target)  # an error that is not a number is not under it
    after = np.arange(1, len(errors) + 1)[:, None]
    first = (above * after).max(axis=0)
    return np.where(first < len(errors), first, np.nan)


class Halting(NamedTuple):
    """How well a method decides when to stop, by J_i(t) = e_i(t) + price * C(t) / C(T)."""

    halted: float  # mean J where it stops
    fixed: float  # at the best single step for all
    oracle: float  # at the best step of each
    skill: float  # (fixed - halted) / (fixed - oracle); NaN if that is not clearly above 0


def halting_skill(
    errors: Array, cost: Array, answered: Array, used: Array, price: float
) -> Halting:
    """1 the oracle, 0 no better than one fixed step for all.

    errors: [T+1, B]; cost: [T+1]; answered, used: [T+1, B], of each problem the chance that this is
    its answer, and that so many steps were taken for it. The fixed step of half of the problems,
    every other one, is the best on the other half, so that it is not chosen where it is scored.
    """
    paid = errors + price * (cost / cost[-1])[:, None]  # J, [T+1, B]
    oracle = paid.min(axis=0)
    fixed = np.empty_like(oracle)
    for half in (0, 1):
        fixed[half::2] = paid[paid[:, 1 - half :: 2].mean(axis=1).argmin(), half::2]
    share = np.broadcast_to((cost / cost[-1])[:, None], used.shape)
    halted = expected(errors, answered) + price * expected(share, used)
    to_gain = fixed - oracle
    uncertainty = to_gain.std(ddof=1) / np.sqrt(len(to_gain)) if len(to_gain) > 1 else np.inf
    clear = to_gain.mean() > CLEARLY * uncertainty
    gained = float((fixed - halted).mean() / to_gain.mean()) if clear else float("nan")
    return Halting(float(halted.mean()), float(fixed.mean()), float(oracle.mean()), gained)


class Allocation(NamedTuple):
    """What it is worth that these problems, and not others, get more steps."""

    gain: float  # mean error with the steps dealt out at random, minus that with its own
    p_value: float  # of dealing out at random being as good


def allocation_test(
    errors: Array, steps: NDArray[np.integer[Any]], rng: np.random.Generator
) -> Allocation:
    """Permute the steps [B] at which problems stopped among them; errors [T+1, B], of one size.

    The gain is 0 and p is 1 where all stopped at the same step. Few problems are permuted in every
    way, many in 1,000 random ones.
    """
    everyone = np.arange(errors.shape[1])

    def mean_error(dealt: NDArray[np.integer[Any]], axis: int = -1) -> NDArray[Any]:
        return errors[dealt, everyone].mean(axis=axis)

    if (steps == steps[0]).all():
        return Allocation(0.0, 1.0)
    test = scipy.stats.permutation_test(
        (steps,),
        mean_error,
        permutation_type="pairings",
        alternative="less",
        n_resamples=PERMUTATIONS,
        vectorized=True,
        batch=100,
        rng=rng,
    )
    gain = test.null_distribution.mean() - test.statistic
    return Allocation(float(gain), float(test.pvalue))


def rank_correlation(first: Array, second: Array) -> Array:
    """Spearman's correlation in each column, [K, B] -> [B]: over the K answers of a problem.

    Such as that of energy and error. NaN where either is the same in a whole column.
    """
    ranks = [scipy.stats.rankdata(each, axis=0) for each in (first, second)]
    x, y = (each - each.mean(axis=0) for each in ranks)
    spread = np.sqrt((x**2).sum(axis=0) * (y**2).sum(axis=0))
    return np.divide(
        (x * y).sum(axis=0), spread, out=np.full_like(spread, np.nan), where=spread > 0
    )


def energy_rises(energies: Array) -> float:
    """The share of steps that raise the energy [T+1, B]; NaN if there are none."""
    return float((np.diff(energies, axis=0) > 0).mean()) if len(energies) > 1 else float("nan")
