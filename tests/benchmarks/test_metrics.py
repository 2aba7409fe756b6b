import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.metrics import certain, expected, skill, solved
from benchmarks.stats import interval_over_problems

ERROR = st.floats(0, 10)


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
