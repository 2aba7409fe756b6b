from dataclasses import replace

import pytest
import torch

from baselines.trivial import Trivial, TrivialConstant, TrivialCopy, TrivialLinear, TrivialQuadratic
from benchmarks.problems import draw_test_problems, yardstick
from irem_core.streams import stream
from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)

# (task, predictor, error at same, error at harder) at n = 20, measured on the definitions
KNOWN = [
    (Addition(), TrivialCopy, 1 / 3, 2.5**2 / 3),
    (Completion(), TrivialCopy, 0.0175, 0.205),
    (Inverse(), TrivialLinear, 0.0096, 0.206),
    (Inverse(), TrivialConstant, 0.0141, 0.227),
]


def error(cls: type[Trivial], task, difficulty: str) -> float:
    batch = draw_test_problems(task.at(difficulty), 2000)
    answer = cls(task).double().solve(batch.problem, steps=1).answers[-1]
    return (answer - batch.target).square().mean().item()


@pytest.mark.parametrize(("task", "cls", "same", "harder"), KNOWN)
def test_errors_that_are_known(task, cls, same, harder):
    assert error(cls, task, "same") == pytest.approx(same, rel=0.02)
    assert error(cls, task, "harder") == pytest.approx(harder, rel=0.04)


@pytest.mark.parametrize(
    ("task", "same", "harder"),
    [(Addition(), 0.333, 2.083), (Completion(), 0.0175, 0.205), (Inverse(), 0.0096, 0.206)],
)
def test_the_best_trivial_error_is_the_yardstick(task, same, harder):
    for difficulty, expected in (("same", same), ("harder", harder)):
        tested = task.at(difficulty)
        against = yardstick(task, tested, 2000)
        assert against.mse_trivial == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(
    ("task", "size", "expected"),
    [
        (EdgeCopy(), 10, 0.333),
        (EdgeCopy(), 15, 0.333),
        (ConnectedComponents(), 10, 0.096),
        (ConnectedComponents(), 15, 0.217),
        (ShortestPath(), 10, 0.0288),
        (ShortestPath(), 15, 0.0418),
        (ShortestPath(), 20, 0.0573),
        (ShortestPath(), 25, 0.0694),
        (ShortestPath(), 30, 0.0841),
    ],
    ids=str,
)
def test_the_best_trivial_error_on_graphs(task, size, expected):
    """Fitted on 2 to 10 nodes; 6 % is some three standard errors of 2,000 graphs of 10 nodes."""
    tested = task.test(size, task.difficulty_of(size))
    assert yardstick(task, tested, 2000).mse_trivial == pytest.approx(expected, rel=0.06)


def test_the_fit_is_least_squares_with_the_diagonal_apart():
    task = Inverse(size=3)
    predictor = TrivialQuadratic(task)
    sample = task.draw(4096, stream("trivial", task), torch.float64)
    for on_diagonal, where in enumerate(
        (~torch.eye(3).bool().flatten(), torch.eye(3).bool().flatten())
    ):
        x = sample.problem.x[:, where].flatten()
        powers = torch.stack([torch.ones_like(x), x, x**2], dim=1)
        residual = sample.target[:, where].flatten() - powers @ predictor.coefficients[on_diagonal]
        torch.testing.assert_close(powers.T @ residual / len(x), torch.zeros(3).double())


def test_an_entry_of_the_answer_depends_on_its_own_input_alone():
    task = Inverse(size=3)
    problem = task.draw(1, stream("test"), torch.float64).problem
    for cls in (TrivialConstant, TrivialCopy, TrivialLinear, TrivialQuadratic):
        predictor = cls(task).double()

        def answer(x, predictor=predictor):
            return predictor._predict(replace(problem, x=x[None]))[0]

        jacobian = torch.autograd.functional.jacobian(answer, problem.x[0])
        assert torch.equal(jacobian, jacobian.diag().diag())


def test_where_the_answer_is_entrywise_only_constants_and_copies_count():
    assert [cls.answers_task(Addition()) for cls in (TrivialConstant, TrivialCopy)] == [True, True]
    assert not TrivialLinear.answers_task(Addition())
    assert TrivialLinear.answers_task(Inverse())


def test_one_by_one_matrices_have_no_other_entries():
    predictor = TrivialLinear(Inverse(size=1)).double()
    assert predictor.coefficients[0].tolist() == [0, 0]
    assert error(TrivialLinear, Inverse(size=1), "same") < 1
