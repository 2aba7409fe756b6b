import math

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components, floyd_warshall

from baselines import programmatic
from baselines.programmatic import Programmatic, newton_schulz, soft_impute
from benchmarks.problems import draw_test_problems
from irem_core.streams import stream
from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.types import Problem

EXACT = [Addition(), EdgeCopy(), ConnectedComponents(), ShortestPath(), Inverse()]


def rounds(task, size, problem):
    """What theory gives: one; doublings of n - 1 edges; squarings of the residual I - S X.

    From I / ||S||_1 its largest eigenvalue is r = 1 - l / ||S||_1, l the least of S; after k rounds
    it is r^(2^k), and the error of an entry at most that over l, which is to be under 1e-4.
    """
    if isinstance(task, ConnectedComponents | ShortestPath):
        return math.ceil(math.log2(size - 1))
    if not isinstance(task, Inverse):
        return 1
    matrix = problem.x.view(-1, size, size)
    least = torch.linalg.eigvalsh(matrix)[:, 0]
    first = 1 - least / torch.linalg.matrix_norm(matrix, ord=1)
    return math.ceil(torch.log2((1e-4 * least).log() / first.log()).max())


@pytest.mark.parametrize("difficulty", ["same", "harder"])
@pytest.mark.parametrize("task", EXACT, ids=lambda task: task.name)
def test_exact_within_the_rounds_of_theory(task, difficulty):
    size = (10 if difficulty == "same" else 30) if task.domain == "graph" else 20
    tested = task.test(size, difficulty)
    batch = draw_test_problems(tested, 100)
    enough = rounds(task, size, batch.problem)
    assert enough <= 14
    answers = Programmatic(task).solve(batch.problem, 50).answers
    unfinished = Programmatic(task).solve(batch.problem, enough).answers
    assert (answers[enough] - batch.target).square().mean(dim=1).max() < 1e-8
    assert torch.equal(unfinished, answers[: enough + 1])  # a shorter budget: what there is so far


def test_inverse_is_that_of_numpy():
    problem = draw_test_problems(Inverse(size=7).at("harder"), 20).problem
    found = Programmatic(Inverse(size=7)).solve(problem, 100).answers[-1].view(20, 7, 7)
    expected = np.linalg.inv(problem.x.view(20, 7, 7).numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_inverse_in_single_precision():
    batch = draw_test_problems(Inverse().at("harder"), 50).to("cpu", torch.float32)
    answers = Programmatic(Inverse()).solve(batch.problem, 100).answers
    assert (answers[-1] - batch.target).square().mean() < 1e-8
    assert len(answers) < 25


def test_one_round_of_newton_schulz_by_hand():
    # S = 2, X = 1 / 2 at once; S = diag(1, 4): from I / 4 to X (2 I - S X) = diag(7/16, 1/4)
    problem = Problem(torch.tensor([[1.0, 0.0, 0.0, 4.0]]), torch.zeros(1, 4))
    first = next(iter(newton_schulz(Inverse(size=2), problem)))
    torch.testing.assert_close(first, torch.tensor([[7 / 16, 0, 0, 1 / 4]]))


def test_shortest_paths_are_those_of_scipy():
    for n in (2, 3, 9, 17):
        problem = draw_test_problems(ShortestPath(size=n, smallest=n), 10).problem
        found = Programmatic(ShortestPath()).solve(problem, 100).answers[-1]
        for b in range(10):
            expected = floyd_warshall(problem.x[b].view(n, n).numpy())
            np.testing.assert_allclose(found[b].view(n, n), expected, rtol=1e-12)


def test_min_plus_squaring_by_hand():
    # a line 0 - 1 - 2 - 3 of edges of length 1, all others 10: two edges, then four on the way
    line = torch.full((4, 4), 10.0)
    for i in range(3):
        line[i, i + 1] = line[i + 1, i] = 1
    line.fill_diagonal_(0)
    problem = Problem(line.view(1, 16), torch.zeros(1, 16), torch.tensor([4]))
    lengths = Programmatic(ShortestPath()).solve(problem, 9).answers[:, 0].view(-1, 4, 4)
    assert lengths[1:, 0].tolist() == [[0, 1, 2, 10], [0, 1, 2, 3]]


def test_components_are_those_of_scipy():
    for n, degree in ((1, 1.0), (2, 1.0), (12, 1.0), (30, 1.5)):
        task = ConnectedComponents(size=n, smallest=n, mean_degree=degree)
        problem = draw_test_problems(task, 20).problem
        found = Programmatic(ConnectedComponents()).solve(problem, 100).answers[-1]
        for b in range(20):
            labels = connected_components(problem.x[b].view(n, n).numpy())[1]
            assert np.array_equal(found[b].view(n, n).numpy(), labels[:, None] == labels)


def test_graphs_of_several_sizes_at_once():
    task = ShortestPath()
    batch = draw_test_problems(task, 50)
    found = Programmatic(task).solve(batch.problem, 100).answers[-1]
    torch.testing.assert_close(found, batch.target)


def test_completion_keeps_what_is_observed_and_errs_less_than_copying():
    for difficulty in ("same", "harder"):
        batch = draw_test_problems(Completion().at(difficulty), 200)
        answers = Programmatic(Completion()).solve(batch.problem, 10_000).answers
        observed = batch.problem.x != 0
        assert torch.equal(answers[-1][observed], batch.target[observed])
        copied = (batch.problem.x - batch.target).square().mean()
        assert (answers[-1] - batch.target).square().mean() < 0.95 * copied


def test_completion_ends_where_shrinking_changes_nothing():
    problem = draw_test_problems(Completion(size=6), 3).problem
    *_, last = soft_impute(Completion(size=6), problem)
    matrix = last.view(3, 6, 6)
    known = problem.x.view(3, 6, 6)
    observed = known != 0
    variance = (known.square().sum((1, 2)) / observed.sum((1, 2)) - 0.01).clamp(min=0)
    shrinkage = 3 * 0.01 / (variance / 10).sqrt()
    for b in range(3):
        left, singular, right = np.linalg.svd(matrix[b].numpy())
        shrunk = left @ np.diag(np.maximum(singular - shrinkage[b].item(), 0)) @ right
        filled = np.where(observed[b], known[b], shrunk)
        assert np.sqrt(np.mean((filled - matrix[b].numpy()) ** 2)) < 1e-4


def test_the_shrinkage_of_completion_errs_least_on_the_training_distribution(monkeypatch):
    batch = Completion().draw(200, stream("shrinkage"), torch.float64)
    errors = {}
    for shrinkage in (1.0, 2.0, 3.0, 4.0, 6.0):
        monkeypatch.setattr(programmatic, "SHRINKAGE", shrinkage)
        *_, last = soft_impute(Completion(), batch.problem)
        errors[shrinkage] = (last - batch.target).square().mean().item()
    assert min(errors, key=errors.__getitem__) == 3


def test_a_matrix_without_an_inverse_is_answered():
    for singular in (torch.zeros(3, 3), torch.ones(3, 3), torch.diag(torch.tensor([1.0, 1, 0]))):
        answers = Programmatic(Inverse(size=3)).solve(Inverse(size=3).problem(singular), 500)
        assert answers.answers.isfinite().all()
        assert len(answers.answers) < 200
