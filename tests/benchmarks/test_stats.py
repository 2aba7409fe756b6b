import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.stats import (
    interquartile_mean,
    interval,
    performance_profile,
    probability_of_improvement,
    resampled_correlation,
    resampled_interquartile_mean,
    resampled_means,
)

SCORES = arrays(float, st.integers(1, 12), elements=st.floats(-5, 5).map(lambda x: round(x, 1)))


def rng():
    return np.random.default_rng(0)


def interval_of(errors, rng):
    (means,) = resampled_means([errors], rng)
    return interval(means)


def test_one_seed_has_the_interval_over_problems():
    errors = rng().normal(3, 1, (1, 400))
    low, high = interval_of(errors, rng())
    # 1.96 standard errors, each side of the mean
    half = 1.96 * errors.std() / 20
    assert low == pytest.approx(errors.mean() - half, abs=0.15 * half)
    assert high == pytest.approx(errors.mean() + half, abs=0.15 * half)


def test_one_problem_has_the_interval_over_seeds():
    errors = rng().normal(3, 1, (400, 1))
    low, high = interval_of(errors, rng())
    half = 1.96 * errors.std() / 20
    assert high - low == pytest.approx(2 * half, rel=0.15)


def test_seeds_and_problems_both_count():
    seeds, problems = rng().normal(0, 1, (30, 1)), rng().normal(0, 1, (1, 300))
    low, high = interval_of(seeds + problems, rng())
    expected = 2 * 1.96 * math.sqrt(seeds.var() / 30 + problems.var() / 300)
    assert high - low == pytest.approx(expected, rel=0.15)


def test_the_interval_covers_the_mean_as_often_as_it_says():
    chance, covered = np.random.default_rng(5), 0
    for _ in range(200):
        errors = chance.normal(0, 1, (1, 100))
        low, high = interval_of(errors, chance)
        covered += low <= 0 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_methods_are_paired_by_their_problems():
    hard = rng().exponential(10, (1, 300))
    better = hard - 0.1 + 0.01 * rng().normal(size=(1, 300))
    means = resampled_means([hard, better], rng())
    low, high = interval(means[0] - means[1])
    assert 0.09 < low < high < 0.11  # each mean alone is known to about 1


def test_what_is_given_to_the_generator_is_what_comes():
    errors = rng().random((3, 50))
    assert interval_of(errors, rng()) == interval_of(errors, rng())
    assert interval_of(errors, rng()) != interval_of(errors, np.random.default_rng(1))


def test_there_is_no_interval_of_one_number_or_of_what_is_not_finite():
    for errors in ([[1.0]], [[1.0, np.inf]], [[1.0, np.nan]]):
        assert np.isnan(interval_of(np.array(errors), rng())).all()


def test_methods_that_answered_other_problems_are_not_paired():
    errors = rng().exponential(10, (1, 300))
    together = resampled_means([errors, errors], rng())
    assert np.array_equal(*together)
    apart = resampled_means([errors, errors[:, :299]], rng())
    assert abs(np.corrcoef(*apart)[0, 1]) < 0.2


def test_a_correlation_over_problems_is_resampled_with_its_seeds():
    first = np.arange(200.0)
    rises = first + np.random.default_rng(1).normal(0, 60, (3, 200))
    low, high = interval(resampled_correlation(first, rises, rng()))
    assert 0.5 < low < high < 1
    one_seed = resampled_correlation(first, first[None] ** 3, rng())
    np.testing.assert_allclose(one_seed, 1)
    assert np.isnan(resampled_correlation(first, np.ones((2, 200)), rng())).all()


def test_seeds_that_agree_by_chance_do_not_make_a_correlation_sure():
    generator, covered = np.random.default_rng(2), 0
    for _ in range(40):
        first, steps = generator.normal(size=(2, 60))
        low, high = interval(resampled_correlation(first, np.tile(steps, (5, 1)), generator))
        covered += low < 0 < high
    assert covered >= 34  # 38 are expected


def test_the_interquartile_mean_by_hand():
    assert interquartile_mean([100, 3, 1, -50]) == 2
    assert interquartile_mean([[1, 2], [3, 90]]) == 2.5
    assert interquartile_mean([7]) == 7


def test_the_probability_of_improvement_by_hand():
    # 1 against 2 and 3 is better twice, 2 ties once and is better once
    assert probability_of_improvement([1, 2], [2, 3]) == 3.5 / 4
    assert probability_of_improvement([1], [1]) == 0.5


@given(SCORES, SCORES)
def test_one_of_two_is_better_or_they_tie(first, second):
    there, back = (
        probability_of_improvement(first, second),
        probability_of_improvement(second, first),
    )
    assert there + back == pytest.approx(1)
    pairs = [(a < b) + (a == b) / 2 for a in first for b in second]
    assert there == pytest.approx(np.mean(pairs))


@given(SCORES)
def test_the_performance_profile_counts(scores):
    thresholds = [-6, -1, 0, 0.5, 6]
    found = performance_profile(scores, thresholds)
    assert found == pytest.approx([(scores > t).mean() for t in thresholds])


def test_the_interquartile_mean_over_cases_has_an_interval_over_seeds():
    cases = [rng().normal(0, 1, 50), rng().normal(0, 1, 50)]
    low, high = interval(resampled_interquartile_mean(cases, rng()))
    assert low < interquartile_mean(cases) < high
    # the standard error of the mean of 100 is 0.1; that of the middle half is a little more
    assert 0.3 < high - low < 0.6
    assert np.isnan(resampled_interquartile_mean([np.array([1.0]), np.array([2.0])], rng())).all()
