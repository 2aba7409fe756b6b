import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irem_core import IREM, Addition, ShortestPath
from irem_core.descent import GradientStep, descend
from irem_core.energy.analytic import QuadraticEnergy
from irem_core.search import Search, Searching, SearchStep
from irem_core.streams import seeded_parameters, stream
from irem_core.types import Problem


def walk(search, steps, step_size=1.0, curvature=1.0, start=1.0):
    """The answers of a search on curvature / 2 * y², from ``start``."""
    problem = Problem(
        torch.zeros(1, 1, dtype=torch.float64), torch.tensor([[start]], dtype=torch.float64)
    )
    landscape = QuadraticEnergy(curvature).at(problem)
    rule = SearchStep(search, landscape, problem, GradientStep(step_size))
    return [y.item() for y in descend(landscape, problem.start, steps, rule)]


def test_momentum_by_hand():
    # v = -0.5, y = 0.5; v = -0.25 - 0.25, y = 0; v = -0.25, y = -0.25
    assert walk(Search(momentum=0.5), 3, step_size=0.5) == pytest.approx([1, 0.5, 0, -0.25])


def test_backtracking_by_hand():
    # steps of 4 times the gradient rise; halved to 2 they keep the energy, and grow to 2.2, which
    # rise; 1.1 falls to -0.1
    answers = walk(Search(backtracking=True), 4, step_size=4.0)
    assert answers == pytest.approx([1, 1, -1, -1, 0.1])


def test_the_step_size_is_in_those_of_training():
    assert walk(Search(step_scale=0.5), 1, step_size=0.5) == pytest.approx([1, 0.75])


def test_noise_has_the_standard_deviation_that_was_asked_for():
    start = torch.rand(2000, 400, generator=stream("test")) - 0.5
    problem = Problem(start, start)  # where the energy is lowest
    landscape = QuadraticEnergy().at(problem)
    rule = SearchStep(Search(noise=0.3), landscape, problem, GradientStep(1.0))
    after = rule(problem.start, landscape.gradient(problem.start))
    assert (after - start).std().item() == pytest.approx(0.3, rel=0.1)
    assert abs((after - start).mean(dim=1).mean().item()) < 0.01


def made(task, **settings):
    with seeded_parameters(0):
        method = IREM(task, hidden=8, **settings).double()
    return method, task.draw(5, stream("test"), torch.float64).problem


TASKS = [Addition(size=2), ShortestPath(size=4)]


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_as_it_stands_a_search_is_the_descent_of_training(task):
    method, problem = made(task)
    searched = Searching(method, Search()).solve(problem, 4)
    torch.testing.assert_close(searched.answers, method.solve(problem, 4).answers)


@pytest.mark.parametrize("task", TASKS, ids=str)
@given(step_scale=st.floats(0.01, 1000), momentum=st.floats(0, 0.95), restarts=st.integers(1, 3))
def test_with_backtracking_no_energy_rises(task, step_scale, momentum, restarts):
    method, problem = made(task)
    search = Search(step_scale, momentum, backtracking=True, restarts=restarts)
    energies = Searching(method, search).solve(problem, 6).energies
    assert (energies.diff(dim=0) <= 1e-12).all()


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_of_several_starts_the_lowest_energy_wins(task):
    method, problem = made(task, step_size=1.0)
    searching = Searching(method, Search(restarts=4))
    *_, (chosen, _, answers) = searching.unroll(problem, 3)
    won = searching.solve(problem, 3)
    assert answers.shape == (5, 4, task.n_out)
    energies = torch.stack([method.energy(problem, each) for each in answers.unbind(1)])
    torch.testing.assert_close(won.energies[-1], energies.min(dim=0).values)
    assert torch.equal(won.answers[-1], chosen)
    alone = method.solve(problem, 3)
    torch.testing.assert_close(answers[:, 0], alone.answers[-1])
    assert (won.energies[-1] <= alone.energies[-1] + 1e-12).all()
    assert (answers * ~problem.mask[:, None] == 0).all()


def test_noise_stays_within_the_nodes_of_a_graph():
    method, problem = made(ShortestPath(size=4))
    after = Searching(method, Search(noise=1.0)).solve(problem, 2).answers[-1]
    assert (after * ~problem.mask == 0).all()


def counted(search):
    """Gradients and energies that three steps from each start of a problem ask for."""
    method, problem = made(Addition(size=2))
    asked = {"gradient": 0, "energy": 0}
    at = method.energy.at

    def counting(problem):
        landscape = at(problem)

        class Counting:
            def __call__(self, answer):
                asked["energy"] += len(answer)
                return landscape(answer)

            def gradient(self, answer, keep_graph=False):
                asked["gradient"] += len(answer)
                return landscape.gradient(answer, keep_graph)

        return Counting()

    method.energy.at = counting
    with torch.no_grad():
        list(Searching(method, search).unroll(problem, 3))
    return asked["gradient"] / len(problem), asked["energy"] / len(problem)


def test_what_each_search_asks_of_the_energy():
    expected = {
        Search(momentum=0.5, noise=0.1): (3, 0),
        Search(backtracking=True): (3, 4),  # the start's too
        Search(restarts=5): (15, 15),
        Search(backtracking=True, restarts=5): (15, 20),
    }
    for search, evaluations in expected.items():
        assert counted(search) == search.evaluations(3) == evaluations
        assert search.evaluations(0) == (0, 0)


@pytest.mark.parametrize("search", [Search(restarts=3), Search(noise=0.1)], ids=str)
@pytest.mark.parametrize("task", TASKS, ids=str)
def test_a_problem_is_answered_alone_as_among_others(task, search):
    method, problem = made(task)
    searching = Searching(method, search)
    alone = searching.solve(problem[3:4], 3).answers[:, 0]
    torch.testing.assert_close(alone, searching.solve(problem, 3).answers[:, 3])


def test_a_step_beyond_all_numbers_is_not_taken_and_not_remembered():
    answers = walk(Search(momentum=0.5, backtracking=True), 5, step_size=1e308, curvature=1e10)
    assert answers == [1.0] * 6
    assert walk(Search(momentum=0.5, backtracking=True), 40, step_size=100.0)[-1] < 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"momentum": 1.0}, "momentum must be less than 1, not 1.0"),
        ({"momentum": -0.1}, "momentum must be a number from 0 on, not -0.1"),
        ({"noise": float("nan")}, "noise must be a number from 0 on, not nan"),
        ({"step_scale": 0.0}, "step_scale must be a positive number, not 0.0"),
        ({"restarts": 0}, "restarts must be a whole number from 1 on, not 0"),
    ],
)
def test_what_cannot_be_is_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        Search(**wrong)


@pytest.mark.parametrize("search", [Search(restarts=3), Search(backtracking=True)], ids=str)
def test_what_there_is_at_the_start_has_cost_nothing(search):
    method, problem = made(Addition(size=2))
    asked = []
    at = method.energy.at
    method.energy.at = lambda problem: asked.append(len(problem)) or at(problem)
    steps = Searching(method, search).unroll(problem, 1)
    assert torch.equal(next(steps).answer, problem.start)
    assert not asked
    next(steps)
    assert asked
