from dataclasses import replace

import pytest
import torch

from baselines.trivial import (
    Trivial,
    TrivialConstant,
    TrivialCopy,
    TrivialEntrySize,
    TrivialLinear,
    TrivialQuadratic,
    TrivialRow,
)
from benchmarks.problems import draw_test_problems
from benchmarks.references import trivial_errors
from irem_core.streams import stream
from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.types import Batch, Problem

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
        errors = trivial_errors(task, draw_test_problems(tested, 2000))
        assert min(errors) == pytest.approx(expected, rel=0.04)


@pytest.mark.parametrize(
    ("task", "size", "expected"),
    [
        (EdgeCopy(), 10, 0.333),
        (EdgeCopy(), 15, 0.333),
        (ConnectedComponents(), 10, 0.0917),
        (ConnectedComponents(), 15, 0.192),
        (ShortestPath(), 10, 0.0285),
        (ShortestPath(), 15, 0.0297),
        (ShortestPath(), 20, 0.0311),
        (ShortestPath(), 25, 0.0322),
        (ShortestPath(), 30, 0.0337),
    ],
    ids=str,
)
def test_the_best_trivial_error_on_graphs(task, size, expected):
    """Fitted on 2 to 10 nodes; 3 % is some two standard errors of 2,000 graphs of 10 nodes."""
    tested = task.test(size, task.difficulty_of(size))
    errors = trivial_errors(task, draw_test_problems(tested, 2000))
    assert min(errors) == pytest.approx(expected, rel=0.03)


def test_one_linear_pass_finds_the_minimum_of_row_and_column():
    predictor = TrivialRow(ShortestPath())
    assert predictor.statistic == "minimum"
    weights = torch.tensor([[0.0, 2, 3], [5, 0, 7], [1, 4, 0]], dtype=torch.float64)
    problem = Problem(weights.view(1, 9), torch.zeros(1, 9).double(), torch.tensor([3]))
    # from 0 to 1: the entry is 2, the least other entry of row 0 is 2, that of column 1 is 2
    # from 1 to 2: 7, 5 and 3
    features = predictor.features(problem).view(3, 3, 10)
    assert features[0, 1].tolist() == [1, 2, 2, 2, 4, 4, 4, 4, 4, 4]
    assert features[1, 2].tolist() == [1, 7, 5, 3, 49, 35, 21, 25, 15, 9]


@pytest.mark.parametrize(
    ("statistic", "row", "column"), [("minimum", 1, 3), ("maximum", 3, 5), ("mean", 2, 4)]
)
def test_every_statistic_of_row_and_column_by_hand(statistic, row, column):
    predictor = TrivialRow(Inverse(size=2))
    predictor.statistic = statistic
    x = torch.tensor([[1.0, 3, 2, 5]], dtype=torch.float64)  # row 0 is 1, 3; column 1 is 3, 5
    features = predictor.features(Problem(x, torch.zeros_like(x))).view(2, 2, 10)
    assert features[0, 1, 1:4].tolist() == [3, row, column]


def test_a_node_alone_has_no_row():
    problem = Problem(torch.zeros(1, 1).double(), torch.zeros(1, 1).double(), torch.tensor([1]))
    for statistic in ("minimum", "maximum", "mean"):
        predictor = TrivialRow(ShortestPath(size=3))
        predictor.statistic = statistic
        assert predictor.features(problem).flatten().tolist() == [1, *[0] * 9]


def test_coefficients_depend_on_the_size():
    """Where the answer is w / n + w² log(n) / n the fit is exact at every size."""
    task = ShortestPath()
    predictor = TrivialEntrySize(task)

    def answered(batch):
        n = batch.problem.nodes[:, None]
        x = batch.problem.x
        return Batch(batch.problem, x / n + x**2 * n.log() / n)

    predictor.fit(answered(task.draw(1000, stream("trivial"), torch.float64)))
    batch = answered(draw_test_problems(task.test(30, "harder"), 5))
    torch.testing.assert_close(predictor._predict(batch.problem), batch.target)


def test_chunks_give_the_coefficients_of_the_whole(monkeypatch):
    task = ShortestPath(size=4)
    whole = TrivialQuadratic(task).coefficients
    monkeypatch.setattr("baselines.trivial.CHUNK", 100)
    torch.testing.assert_close(TrivialQuadratic(task).coefficients, whole)


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
    assert not TrivialRow.answers_task(EdgeCopy())


def test_where_training_has_one_size_coefficients_cannot_depend_on_it():
    assert not TrivialEntrySize.answers_task(Inverse())
    assert TrivialEntrySize.answers_task(ShortestPath())


def test_one_by_one_matrices_have_no_other_entries():
    predictor = TrivialLinear(Inverse(size=1)).double()
    assert predictor.coefficients[0].tolist() == [0, 0]
    assert error(TrivialLinear, Inverse(size=1), "same") < 1
