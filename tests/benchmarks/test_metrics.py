import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.stats import spearmanr

from benchmarks.metrics import (
    allocation_test,
    anytime_score,
    at_cost,
    certain,
    energy_rises,
    expected,
    halting_skill,
    overthinking,
    rank_correlation,
    skill,
    solved,
    steps_to_target,
)
from benchmarks.stats import interval_over_problems

ERROR = st.floats(0, 10)
TRACES = arrays(float, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8), elements=ERROR)


def test_skill_by_hand():
    assert skill(0.25, mse_trivial=1.0, mse_best=0.0) == 0.75
    assert skill(0.3, mse_trivial=0.5, mse_best=0.1) == pytest.approx(0.5)
    assert skill(2.0, mse_trivial=1.0, mse_best=0.0) == -1


@given(best=ERROR, headroom=st.floats(0.01, 10), mse=ERROR)
def test_skill_is_one_at_the_best_and_zero_at_trivial(best, headroom, mse):
    trivial = best + headroom
    assert skill(best, trivial, best) == 1
    assert skill(trivial, trivial, best) == 0
    assert (skill(mse, trivial, best) > 0) == (mse < trivial)


def test_skill_is_undefined_without_headroom_or_a_best_error():
    assert math.isnan(skill(0.1, mse_trivial=0.2, mse_best=None))
    assert math.isnan(skill(0.1, mse_trivial=0.2, mse_best=0.2))
    assert math.isnan(skill(0.1, mse_trivial=1e-29, mse_best=0.0))  # both are right, but rounded


def test_solved_by_hand():
    errors = np.array([0.0, 0.02, 0.0201, 5.0])
    assert solved(errors, variance=2.0).tolist() == [True, True, False, False]


def test_values_at_the_step_of_each_problem():
    values = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert expected(values, certain(np.array([1, 0, 1]), 2)).tolist() == [4, 2, 6]


def test_expectation_over_steps_by_hand():
    values = np.array([[1.0, np.inf], [4.0, 5.0], [7.0, 1.0]])
    weights = np.array([[0.5, 0.0], [0.25, 0.0], [0.25, 1.0]])
    assert expected(values, weights).tolist() == [3.25, 1]  # what has no weight does not count


def test_interval_over_problems_covers_as_often_as_it_says():
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(200):
        low, high = interval_over_problems(generator.exponential(size=100))
        hits += low < 1 < high
    assert 0.88 < hits / 200 < 0.99


def test_interval_of_equal_errors_is_their_value_and_of_infinite_ones_unknown():
    assert interval_over_problems(np.full(10, 2.0)) == (2.0, 2.0)
    assert all(map(math.isnan, interval_over_problems(np.array([1.0, np.inf]))))


def test_the_answer_at_a_cost_is_the_last_that_is_finished():
    errors, cost = np.array([[3.0], [2.0], [1.0]]), np.array([0.0, 10.0, 20.0])
    assert at_cost(errors, cost, [0, 9.9, 10, 19, 20, 99])[:, 0].tolist() == [3, 3, 2, 2, 1, 1]


def test_the_anytime_score_by_hand():
    errors, cost = np.array([[4.0, 4.0], [3.0, 1.0], [1.0, 1.0]]), np.array([0.0, 1.0, 2.0])
    # 2 from cost 1 to 2, 1 from 2 to 4: equal widths on a logarithmic axis
    assert anytime_score(errors, cost, 1, 4) == pytest.approx(1.5)
    # of a dearer method there is only the start, until its first step is done
    assert anytime_score(errors, 2 * cost, 1, 4) == pytest.approx(3)
    with pytest.raises(ValueError, match="not from 0 to 4"):
        anytime_score(errors, cost, 0, 4)


@given(TRACES, st.floats(0.5, 3), st.floats(1.1, 50))
def test_the_anytime_score_lies_between_the_errors(errors, begin, factor):
    cost = np.arange(len(errors), dtype=float)
    means = errors.mean(axis=1)
    score = anytime_score(errors, cost, begin, begin * factor)
    assert means.min() - 1e-9 <= score <= means.max() + 1e-9
    better = anytime_score(errors / 2, cost, begin, begin * factor)
    assert better == pytest.approx(score / 2)


def test_an_answer_that_is_not_finite_counts_only_while_it_is_there():
    errors, cost = np.array([[np.inf], [1.0], [2.0]]), np.array([0.0, 1.0, 2.0])
    assert anytime_score(errors, cost, 1, 2) == 1
    assert anytime_score(errors, cost, 0.5, 2) == np.inf


def test_overthinking_by_hand():
    assert overthinking(np.array([[3.0, 1.0], [1.0, 2.0], [2.0, 1.5]])) == pytest.approx(0.75)


@given(TRACES)
def test_nobody_overthinks_whose_error_only_falls(errors):
    assert overthinking(errors) >= 0
    assert overthinking(np.minimum.accumulate(errors)) == 0


def test_steps_to_a_target_by_hand():
    errors = np.array([[3.0, 0.5, 3.0, 9.0], [1.0, 2.0, 0.5, 9.0], [0.5, 1.0, 2.0, np.nan]])
    steps = steps_to_target(errors, 1.0)
    assert steps.tolist()[:2] == [1, 2]
    assert np.isnan(steps[2:]).all()
    assert steps_to_target(errors, 10.0).tolist()[:3] == [0, 0, 0]


@given(TRACES, ERROR, ERROR)
def test_a_lower_target_is_not_reached_sooner(errors, one, other):
    low, high = sorted([one, other])
    late, soon = steps_to_target(errors, low), steps_to_target(errors, high)
    assert (np.nan_to_num(soon, nan=np.inf) <= np.nan_to_num(late, nan=np.inf)).all()


BY_HAND = np.array([[4.0, 4.0, 4.0, 4.0], [1.0, 2.0, 1.0, 2.0], [2.0, 0.0, 2.0, 0.0]])


def halting(errors, cost, steps, price):
    """Of a method that answers with what the steps gave that it took."""
    weights = certain(np.array(steps), len(errors))
    return halting_skill(errors, cost, weights, weights, price)


def test_halting_skill_by_hand():
    cost = np.array([0.0, 1.0, 2.0])
    # problems 0 and 2 are best after one step, 1 and 3 after two. Each half's best step is chosen
    # on the other half: 2 for the even ones (error 2), 1 for the odd ones (error 2)
    oracle = halting(BY_HAND, cost, [1, 2, 1, 2], price=0)
    assert oracle == (0.5, 2.0, 0.5, 1.0)
    same_for_all = halting(BY_HAND, cost, [1, 1, 1, 1], price=0)
    assert (same_for_all.halted, same_for_all.skill) == (1.5, pytest.approx(1 / 3))
    # a step costs 1.5 when all of two cost 3: then one step is best for problem 1 too
    paid = halting(BY_HAND, cost, [1, 1, 1, 1], price=3)
    assert paid.halted == 3
    assert paid.oracle == pytest.approx((2.5 + 3 + 2.5 + 3) / 4)


def test_halting_skill_is_undefined_where_one_step_is_best_for_all():
    errors = np.array([[4.0, 4.0, 4.0], [1.0, 1.0, 1.0]])
    assert math.isnan(halting(errors, np.array([0.0, 1.0]), [1, 1, 1], price=0).skill)


def test_what_is_to_gain_must_be_two_standard_errors_of_a_sample():
    # to gain are 1 and 3: a mean of 2, and a standard error of 1, from the sample's variance of 2
    errors = np.array([[3.0, 0.0], [0.0, 1.0]])
    assert math.isnan(halting(errors, np.array([0.0, 1.0]), [0, 1], price=0).skill)


@given(TRACES, st.integers(0, 7), st.floats(0, 5))
def test_nobody_halts_better_than_the_oracle(errors, step, price):
    cost = np.arange(len(errors), dtype=float)
    steps = np.full(errors.shape[1], step % len(errors))
    result = halting(errors, cost, steps, price)
    assert result.oracle <= min(result.halted, result.fixed) + 1e-9
    assert math.isnan(result.skill) or result.skill <= 1 + 1e-9


def test_the_allocation_test_by_hand():
    steps = np.array([1, 2, 1, 2])
    found = allocation_test(BY_HAND, steps, np.random.default_rng(0))
    # of the 24 ways to deal these steps out, 4 give every problem its best step
    assert found.p_value == pytest.approx(4 / 24)
    # an even problem has 1 or 2, an odd one 0 or 2: (1.5 + 1) / 2 on average, 0.5 as it is
    assert found.gain == pytest.approx(1.25 - 0.5)


def test_the_same_step_for_all_allocates_nothing():
    found = allocation_test(BY_HAND, np.array([1, 1, 1, 1]), np.random.default_rng(0))
    assert found == (0, 1)


def test_steps_that_have_nothing_to_do_with_the_problems_gain_nothing():
    rng = np.random.default_rng(1)
    errors, steps = rng.random((10, 200)), rng.integers(0, 10, 200)
    assert allocation_test(errors, steps, np.random.default_rng(0)).p_value > 0.01


def test_energy_as_a_judge_by_hand():
    energies = np.array([[3.0, 1.0, 1.0], [2.0, 2.0, 1.0], [1.0, 3.0, 1.0]])
    errors = np.array([[9.0, 9.0, 3.0], [4.0, 4.0, 2.0], [1.0, 1.0, 1.0]])
    found = rank_correlation(energies, errors)
    assert found[:2] == pytest.approx([1, -1])
    assert math.isnan(found[2])
    assert energy_rises(energies) == pytest.approx(2 / 6)
    assert math.isnan(energy_rises(energies[:1]))


@given(TRACES, TRACES)
def test_the_rank_correlation_is_that_of_scipy(energies, errors):
    steps, problems = (min(each) for each in zip(energies.shape, errors.shape, strict=True))
    energies, errors = energies[:steps, :problems], errors[:steps, :problems]
    found = rank_correlation(energies, errors)
    for i in range(problems):
        constant = np.ptp(energies[:, i]) == 0 or np.ptp(errors[:, i]) == 0
        right = np.nan if constant else spearmanr(energies[:, i], errors[:, i]).statistic
        assert found[i] == pytest.approx(right, nan_ok=True)


def test_a_rule_pays_for_the_steps_that_it_took_and_not_those_it_answers_with():
    answered, used = certain(np.array([1, 1, 1, 1]), 3), certain(np.array([2, 2, 2, 2]), 3)
    found = halting_skill(BY_HAND, np.array([0.0, 1.0, 2.0]), answered, used, price=3)
    assert found.halted == 1.5 + 3


def test_without_costs_there_is_no_anytime_score():
    assert math.isnan(anytime_score(np.ones((3, 2)), np.full(3, np.nan), 1, 4))
