import math

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.stats import (
    change_interval,
    correlation_interval,
    difference_interval,
    interquartile_mean,
    interquartile_mean_interval,
    interval_over_problems,
    mean_interval,
    performance_profile,
    probability_of_improvement,
    ratio_interval,
    skill_interval,
)

SCORES = arrays(float, st.integers(1, 12), elements=st.floats(-5, 5).map(lambda x: round(x, 1)))


def rng(seed=0):
    return np.random.default_rng(seed)


def test_one_seed_has_students_interval_over_problems():
    changes = rng().normal(3, 1, (1, 40))
    expected = scipy.stats.ttest_1samp(changes[0], 0).confidence_interval(0.95)
    assert change_interval(changes) == pytest.approx(expected)


def test_one_problem_has_students_interval_over_seeds():
    changes = rng().normal(3, 1, (4, 1))
    expected = scipy.stats.ttest_1samp(changes[:, 0], 0).confidence_interval(0.95)
    assert change_interval(changes) == pytest.approx(expected)


def test_two_seeds_by_hand():
    # means 1 and 3: a standard error of 1, and t with one degree of freedom is 12.7062
    assert change_interval(np.array([[1.0], [3.0]])) == pytest.approx((-10.7062, 14.7062))


def test_half_widths_over_seeds_and_problems_are_added_in_quadrature():
    seeds, problems = rng().normal(0, 1, (5, 1)), rng(1).normal(0, 1, (1, 300))
    halves = [np.diff(change_interval(part))[0] / 2 for part in (seeds, problems)]
    low, high = change_interval(seeds + problems)
    assert (high - low) / 2 == pytest.approx(math.hypot(*halves))
    assert (high + low) / 2 == pytest.approx(seeds.mean() + problems.mean())


def test_seeds_of_two_methods_have_welchs_interval():
    first, second = rng().normal(2, 1, (3, 1)), rng(1).normal(0, 3, (6, 1))
    expected = scipy.stats.ttest_ind(first[:, 0], second[:, 0], equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert difference_interval(first, second) == pytest.approx(interval)


def test_methods_are_paired_by_their_problems():
    hard = rng().exponential(10, (1, 300))
    better = hard - 0.1 + 0.01 * rng(1).normal(size=(1, 300))
    low, high = difference_interval(hard, better)
    assert 0.09 < low < high < 0.11  # each mean alone is known to about 1
    assert (low, high) == pytest.approx(change_interval(hard - better))


def test_methods_that_answered_other_problems_are_not_paired():
    errors = rng().exponential(10, (1, 300))
    assert difference_interval(errors, errors) == (0, 0)
    low, high = difference_interval(errors, errors[:, :299])
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(2) * errors.std() / 300**0.5, rel=0.03)


def test_the_interval_of_an_error_is_as_many_times_lower_as_higher():
    errors = rng().exponential(1, (3, 50))
    low, high = mean_interval(errors)
    half = np.diff(change_interval(errors))[0] / 2
    assert low * high == pytest.approx(errors.mean() ** 2)
    assert math.log(high / errors.mean()) == pytest.approx(half / errors.mean())
    assert mean_interval(np.zeros((2, 3))) == (0, 0)


def test_a_ratio_is_sure_where_every_seed_has_the_same():
    before = np.array([[0.1, 0.2], [1.0, 3.0], [0.3, 0.4]])
    assert ratio_interval(0.7 * before, before) == pytest.approx((0.7, 0.7))
    assert np.isnan(ratio_interval(before, 0 * before)).all()


def test_the_interval_of_a_ratio_by_hand():
    # 4 / 2: off by seed are (5 - 2 * 2) / 2 and (3 - 2 * 2) / 2, a standard error of 1 / 2
    low, high = ratio_interval(np.array([[5.0], [3.0]]), np.array([[2.0], [2.0]]))
    assert high == pytest.approx(2 * math.exp(12.7062 * 0.5 / 2), rel=1e-4)
    assert low * high == pytest.approx(4)


def test_there_is_no_interval_of_one_number_or_of_what_is_not_finite():
    for errors in ([[1.0]], [[1.0, np.inf]], [[1.0, np.nan]]):
        one = np.array(errors)
        with np.errstate(invalid="ignore"):
            for interval in (
                mean_interval(one),
                change_interval(one),
                difference_interval(one, one),
            ):
                assert np.isnan(interval).all()
    assert np.isnan(interval_over_problems(np.array([1.0, np.inf]))).all()


def test_the_interval_of_a_skill_by_hand():
    # the method errs 1 on both problems with either seed, and trivial ones 1 and 3, the best 0
    errors, trivial = np.ones((2, 2)), np.array([1.0, 3.0])
    low, high = skill_interval(errors, trivial, 0.0)
    # the skill is 1/2; by problem (t - m - t / 2) / 2 = -1/4 and 1/4: a standard error of 1/4
    half = 12.7062 * 0.25
    assert 1 - low == pytest.approx(0.5 * math.exp(half / 0.5), rel=1e-5)
    assert 1 - high == pytest.approx(0.5 * math.exp(-half / 0.5), rel=1e-5)


def test_a_skill_that_is_the_trivial_ones_own_is_sure():
    trivial = rng().exponential(1, 30)
    assert skill_interval(trivial[None], trivial, 0.0) == pytest.approx((0, 0))


def test_a_skill_is_as_unsure_as_the_best_known_error():
    errors, trivial = np.full((1, 9), 2.0), np.full(9, 3.0)
    # d skill / d best = skill / headroom
    low, high = skill_interval(errors, trivial, 1.0, best_uncertainty=0.1)
    assert math.log((1 - low) / 0.5) == pytest.approx(1.96 * 0.5 * 0.1 / 2 / 0.5, rel=1e-3)
    assert high > 0.5
    assert np.isnan(skill_interval(errors, trivial, 3.0)).all()  # nothing to gain


def test_a_correlation_has_fishers_interval_over_problems():
    first = rng().normal(size=400)
    second = first + rng(1).normal(size=(1, 400))
    found = scipy.stats.spearmanr(first, second[0]).statistic
    low, high = correlation_interval(first, second)
    # the standard error of artanh is about 1.03 / sqrt(B - 3)
    expected = np.tanh(np.arctanh(found) + np.array([-1, 1]) * 1.96 * 1.03 / math.sqrt(397))
    assert (low, high) == pytest.approx(expected, abs=0.02)


def test_a_correlation_that_cannot_vary():
    first = np.arange(200.0)
    assert np.isnan(correlation_interval(first, first[None] ** 3)).all()
    assert np.isnan(correlation_interval(first, np.ones((2, 200)))).all()


def test_seeds_that_agree_by_chance_do_not_make_a_correlation_sure():
    generator, covered = rng(2), 0
    for _ in range(40):
        first, steps = generator.normal(size=(2, 60))
        low, high = correlation_interval(first, np.tile(steps, (5, 1)))
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
    cases = [rng().normal(0, 1, 50), rng(1).normal(0, 1, 50)]
    low, high = interquartile_mean_interval(cases)
    assert (low + high) / 2 == pytest.approx(interquartile_mean(cases))
    # the standard error of the mean of 100 is 0.1; that of the middle half is a little more
    assert 0.3 < high - low < 0.6
    assert np.isnan(interquartile_mean_interval([np.array([1.0]), np.array([2.0])])).all()


def test_the_interquartile_mean_by_scipys_trimmed_standard_error():
    scores = rng().normal(0, 1, 40)
    low, high = interquartile_mean_interval([scores])
    error = scipy.stats.mstats.trimmed_stde(scores, limits=(0.25, 0.25))
    assert (high - low) / 2 == pytest.approx(error * scipy.stats.t.ppf(0.975, 39), rel=0.05)


def test_errors_whose_squares_are_too_large_are_not_known():
    errors = np.array([[1e200, 3e200], [1.0, 2.0]])
    assert mean_interval(errors) == (0, np.inf)
    assert change_interval(errors) == (-np.inf, np.inf)


def test_a_sum_of_squares_that_is_too_large_has_no_degrees_of_freedom():
    assert difference_interval(np.array([[1e155], [3e155]]), np.array([[1.0], [2.0]]))[1] > 1e155


def test_an_interquartile_mean_needs_two_seeds_of_every_case():
    alone, two = np.array([0.5]), np.array([0.1, 0.9])
    assert np.isnan(interquartile_mean_interval([alone, two])).all()
    # each case lies in a tail of its own: nothing in the middle says how much seeds differ
    assert np.isnan(interquartile_mean_interval([np.array([0.1, 0.2]), np.array([0.8, 0.9])])).all()
