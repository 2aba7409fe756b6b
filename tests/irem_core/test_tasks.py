import math

import pytest
import torch

from irem_core.streams import stream
from irem_core.tasks import Addition, Completion, Inverse

EVERY = [Addition, Completion, Inverse]
MANY = 20_000


def draw(task, count=MANY):
    batch = task.draw(count, stream("moments"), torch.float64)
    n = task.size
    return batch.problem.x.reshape(count, -1, n, n), batch.target.reshape(count, n, n)


def assert_mean(values, expected):
    """Within five standard errors, the first dimension being independent draws."""
    per_draw = values.flatten(1).mean(1) if values.ndim > 1 else values
    error = per_draw.std().item() / math.sqrt(len(per_draw))
    assert per_draw.mean().item() == pytest.approx(expected, abs=5 * error)


@pytest.mark.parametrize("difficulty", ["same", "harder"])
def test_addition(difficulty):
    task = Addition(size=4).at(difficulty)
    terms, total = draw(task)
    scale = {"same": 1.0, "harder": 2.5}[difficulty]
    torch.testing.assert_close(terms[:, 0] + terms[:, 1], total)
    assert terms.abs().max() <= scale
    assert_mean(terms, 0)
    assert_mean(terms.square(), scale**2 / 3)
    assert_mean(total.square(), 2 * scale**2 / 3)


@pytest.mark.parametrize("difficulty", ["same", "harder"])
def test_completion(difficulty):
    observed, answer = draw(Completion(size=6).at(difficulty))
    amplitude = {"same": 1 / 20, "harder": 1 / 5}[difficulty]
    seen = observed[:, 0] != 0
    torch.testing.assert_close(observed[:, 0], answer * seen)
    assert_mean(seen.double(), 0.5)
    assert_mean(answer, 0)
    assert_mean(answer.square(), 10 * amplitude**2 + 0.01)  # rank 10, noise 0.1
    # two entries of one row share u_i: E[r_ij² r_ik²] has 2 * 10 * amplitude^4 more than E[r²]²
    pair = answer[:, 0, 0].square() * answer[:, 0, 1].square()
    assert_mean(pair, (10 * amplitude**2 + 0.01) ** 2 + 20 * amplitude**4)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_completion_of_another_rank_keeps_the_variance_of_its_entries(rank):
    task = Completion(size=8, rank=rank)
    _, answer = draw(task)
    assert_mean(answer.square(), 10 / 400 + 0.01)
    singular = torch.linalg.svdvals(draw(Completion(size=8, rank=rank, amplitude=50.0), 100)[1])
    assert (singular[:, rank - 1] > 100 * singular[:, rank]).all()  # below are the noise's
    with pytest.raises(ValueError, match="rank must be a whole number from 1 on, not 0"):
        Completion(rank=0)


@pytest.mark.parametrize("difficulty", ["same", "harder"])
def test_inverse(difficulty):
    n = 5
    matrix, inverse = draw(Inverse(size=n).at(difficulty))
    matrix, ridge = matrix[:, 0], {"same": 0.5, "harder": 0.1}[difficulty]
    eye = torch.eye(n, dtype=torch.float64).expand_as(matrix)
    torch.testing.assert_close(matrix @ inverse, eye)
    torch.testing.assert_close(matrix, matrix.mT)
    assert_mean(matrix.diagonal(dim1=1, dim2=2), 2 * n / 3 + ridge)  # 2 * sum of n squares
    assert_mean(matrix[:, 0, 1], 0)
    assert_mean(matrix[:, 0, 1].square(), 4 * n / 9)
    assert torch.linalg.eigvalsh(matrix).min() >= ridge - 1e-12


@pytest.mark.parametrize("cls", EVERY)
def test_starts_are_uniform_and_drawn_with_the_problem(cls):
    batch = cls(size=3).draw(MANY, stream("starts"))
    assert batch.problem.start.shape == batch.target.shape
    assert batch.problem.start.abs().max() <= 1
    assert_mean(batch.problem.start, 0)
    assert_mean(batch.problem.start.square(), 1 / 3)


@pytest.mark.parametrize("cls", EVERY)
def test_same_seed_same_bits_another_seed_other_problems(cls):
    first, again, other = (cls(size=3).draw(5, stream("seed", seed)) for seed in (0, 0, 1))
    for name, tensor in first.named().items():
        assert torch.equal(tensor, again.named()[name])
        assert not torch.equal(tensor, other.named()[name])


@pytest.mark.parametrize("cls", EVERY)
def test_difficulty_is_a_value_of_the_task(cls):
    task = cls(size=3)
    assert task.at("same") == task
    assert task.at(task.harder) == task.at("harder") != task
    with pytest.raises(ValueError, match=f"'same', 'harder', a value of {task.difficulty}"):
        task.at("hardest")
    with pytest.raises(ValueError, match=f"{task.difficulty} must be a positive number"):
        task.at(0)
    with pytest.raises(ValueError, match="size must be a whole number from 1 on, not 0"):
        cls(size=0)


def test_equal_tasks_are_named_alike_and_so_drawn_alike():
    assert str(Addition(5, scale=1)) == str(Addition(5)) == "addition(size=5)"
    assert str(Addition(5).at("harder")) == "addition(size=5, scale=2.5)"


def test_whole_numbers_make_a_problem():
    eye = torch.eye(3, dtype=torch.long)
    assert Addition(3).problem(eye, eye).x.dtype == torch.float32


def test_problems_of_ones_own():
    a, b = torch.rand(2, 3, 3)
    task = Addition(size=3)
    one, many = task.problem(a, b), task.problem(a.expand(4, 3, 3), b.expand(4, 3, 3))
    assert torch.equal(one.x[0], torch.cat([a.flatten(), b.flatten()]))
    assert many.x.shape == (4, 18)
    assert many.start.shape == (4, 9)
    assert torch.equal(task.problem(a, b).start, one.start)


@pytest.mark.parametrize(
    ("matrices", "said"),
    [
        ([torch.zeros(3, 3)], "takes 2 matrices, not 1"),
        ([torch.zeros(3, 3), torch.zeros(2, 3)], r"not \[2, 3\]"),
        ([torch.zeros(2, 3, 3), torch.zeros(3, 3)], r"as many of each matrix, not \[2, 1\]"),
        ([torch.zeros(9), torch.zeros(9)], r"not \[9\]"),
        ([torch.zeros(3, 3), torch.full((3, 3), torch.nan)], "not finite"),
    ],
)
def test_bad_problems_are_refused(matrices, said):
    with pytest.raises(ValueError, match=said):
        Addition(size=3).problem(*matrices)
