from baselines.best_known import best_known
from irem_core.tasks import Addition, Completion, Inverse, ShortestPath


def test_exact_algorithms_leave_no_error():
    for task in (Addition(3), Inverse(7).at("harder"), ShortestPath()):
        assert best_known(task, 100) == (0, 0)


def test_the_floor_of_completion_is_known_for_what_it_was_estimated_on():
    assert 0 < best_known(Completion(), 1000).mse < 0.0175
    assert 0 < best_known(Completion().at("harder"), 1000).mse < 0.205
    assert best_known(Completion(), 999) is None
    assert best_known(Completion(size=19), 1000) is None
    assert best_known(Completion().at(0.07), 1000) is None
