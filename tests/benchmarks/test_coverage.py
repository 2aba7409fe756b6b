"""How often the intervals hold the true value, with new seeds and new problems every time.

``python -m pytest tests/benchmarks/test_coverage.py -m long -s`` prints the table of
docs/intervals.md.
"""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.metrics import rank_correlation
from benchmarks.stats import (
    Interval,
    correlation_interval,
    difference_interval,
    mean_interval,
    skill_interval,
)

pytestmark = pytest.mark.long
SEEDS = (2, 3, 5, 10)
PROBLEMS = 200
TIMES = {"mean": 8000, "difference": 8000, "skill": 8000, "correlation": 1000}  # it takes long
RESAMPLES = 300
LEAST = 0.93  # of what should be 0.95
SPREAD = 0.5  # of the logarithms of errors over seeds: the median of irem's in results/paper
HARDER = 0.7  # the same over problems
REST = 0.3  # and of a seed on a problem

Truth = Callable[[int], float]
"""The true value, by the number of seeds."""


def factors(rng: np.random.Generator, spread: float, *shape: int) -> np.ndarray:
    """Of mean 1, from a log-normal distribution."""
    return rng.lognormal(-(spread**2) / 2, spread, shape)


def errors(rng: np.random.Generator, seeds: int, problems: np.ndarray) -> np.ndarray:
    """Of mean 1, [S, B]: a factor of the seed, one of the problem, and one of both."""
    of_both = factors(rng, REST, seeds, len(problems))
    return factors(rng, SPREAD, seeds, 1) * problems * of_both


def mean(rng: np.random.Generator, seeds: int) -> Interval:
    """Of an error of 1."""
    return mean_interval(errors(rng, seeds, factors(rng, HARDER, PROBLEMS)))


def difference(rng: np.random.Generator, seeds: int) -> Interval:
    """Of errors of 1.2 and 1, on the same problems by seeds of their own."""
    hard = factors(rng, HARDER, PROBLEMS)
    return difference_interval(1.2 * errors(rng, seeds, hard), errors(rng, seeds, hard))


def relative_skill(rng: np.random.Generator, seeds: int) -> Interval:
    """Of an error of 1 between a trivial one of 2.5 and a best one of 0.5."""
    hard = factors(rng, HARDER, PROBLEMS)
    trivial = 2.5 * hard * factors(rng, REST, PROBLEMS)
    return skill_interval(0.5 + errors(rng, seeds, hard) / 2, trivial, 0.5)


def correlation(rng: np.random.Generator, seeds: int) -> Interval:
    """Of steps with hardness, which every seed weighs in its own way."""
    hard = rng.normal(size=PROBLEMS)
    weights = rng.normal(0.5, 0.25, (seeds, 1))
    return correlation_interval(hard, weights * hard + rng.normal(size=(seeds, PROBLEMS)))


def correlation_of_many(seeds: int) -> float:
    """The mean correlation over many draws, of the mean over so many seeds."""
    rng = np.random.default_rng(1)
    hard = rng.normal(size=(2000, PROBLEMS))
    weights = rng.normal(0.5, 0.25, (2000, seeds)).mean(axis=1, keepdims=True)
    steps = weights * hard + rng.normal(size=hard.shape) / seeds**0.5
    return float(np.tanh(np.arctanh(rank_correlation(hard.T, steps.T)).mean()))


QUANTITIES: dict[str, tuple[Callable[[np.random.Generator, int], Interval], Truth]] = {
    "mean": (mean, lambda seeds: 1.0),
    "difference": (difference, lambda seeds: 0.2),
    "skill": (relative_skill, lambda seeds: (2.5 - 1) / (2.5 - 0.5)),
    "correlation": (correlation, correlation_of_many),
}


def bootstrap(rng: np.random.Generator, seeds: int) -> Interval:
    """The percentile bootstrap of a mean error, for comparison."""
    drawn = errors(rng, seeds, factors(rng, HARDER, PROBLEMS))
    rows = rng.integers(seeds, size=(RESAMPLES, seeds))
    columns = rng.integers(PROBLEMS, size=(RESAMPLES, PROBLEMS))
    means = [drawn[row][:, column].mean() for row, column in zip(rows, columns, strict=True)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def coverage(
    of: Callable[[np.random.Generator, int], Interval], truth: float, seeds: int, times: int
) -> float:
    """The share of intervals that hold the true value."""
    intervals = [of(np.random.default_rng([seeds, i]), seeds) for i in range(times)]
    return float(np.mean([low <= truth <= high for low, high in intervals]))


@pytest.mark.parametrize("name", QUANTITIES)
def test_intervals_cover_from_two_seeds_on(name, capsys):
    of, truth = QUANTITIES[name]
    found = {seeds: coverage(of, truth(seeds), seeds, TIMES[name]) for seeds in SEEDS}
    with capsys.disabled():
        print(f"\n| {name} |", *(f"{share:.1%} |" for share in found.values()))
    assert min(found.values()) >= LEAST


def test_a_percentile_bootstrap_of_few_seeds_does_not(capsys):
    found = {seeds: coverage(bootstrap, 1.0, seeds, 200) for seeds in SEEDS}
    with capsys.disabled():
        print("\n| mean, percentile bootstrap |", *(f"{x:.0%} |" for x in found.values()))
    assert found[2] < 0.8
