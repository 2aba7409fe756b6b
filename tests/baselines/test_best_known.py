from baselines.best_known import best_known
from irem_core.tasks import Addition, Completion, Inverse


def test_exact_algorithms_leave_no_error():
    for task in (Addition(3), Inverse(7).at("harder")):
        assert best_known(task) == (0, 0)


def test_the_floor_of_completion_is_known_for_the_values_it_was_estimated_at():
    assert 0 < best_known(Completion()).mse < 0.0175
    assert 0 < best_known(Completion().at("harder")).mse < 0.205
    assert best_known(Completion(size=19)) is None
    assert best_known(Completion().at(0.07)) is None
