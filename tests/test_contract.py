"""What every registered method must do on every task that it answers."""

import pytest
import torch

from benchmarks.registry import METHODS, TASKS
from benchmarks.runs import Run
from benchmarks.settings import settings_for
from irem_core.streams import stream

SMALL = {"hidden": 16, "replayed": 8, "stored": 8, "capacity": 32, "batch": 16}

PAIRS = [
    pytest.param(method, task(size=3), id=f"{name}-{task.name}")
    for name, method in METHODS.items()
    for task in TASKS.values()
    if method.answers_task(task(size=3))
]


def make(method, task, seed=0):
    run = Run(method.name, task, settings_for(method.name, SMALL), seed)
    return run.untrained().double()


def problems(task, count=5):
    return task.draw(count, stream("contract"), torch.float64)


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_answers_have_the_shape_of_targets_and_begin_at_the_start(method, task):
    batch = problems(task)
    trajectory = make(method, task).solve(batch.problem, steps=4)
    steps, *shape = trajectory.answers.shape
    assert 2 <= steps <= 5
    assert shape == list(batch.target.shape)
    assert torch.equal(trajectory.answers[0], batch.problem.start)
    assert trajectory.energies is None or trajectory.energies.shape == (steps, 5)


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_no_step_leaves_the_start(method, task):
    batch = problems(task)
    assert torch.equal(make(method, task).solve(batch.problem, 0).answers[-1], batch.problem.start)


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_more_steps_never_change_earlier_ones(method, task):
    problem, made = problems(task).problem, make(method, task)
    few, many = made.solve(problem, 2).answers, made.solve(problem, 6).answers
    assert torch.equal(few, many[: len(few)])


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_same_seed_same_answer(method, task):
    problem = problems(task).problem
    answers = [make(method, task, seed).solve(problem, 3).answers for seed in (1, 1, 2)]
    assert torch.equal(answers[0], answers[1])
    assert not method.learns or not torch.equal(answers[0], answers[2])


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_permuting_a_batch_permutes_the_answers(method, task):
    problem, made = problems(task).problem, make(method, task)
    order = torch.tensor([3, 0, 4, 1, 2])
    answers = made.solve(problem, 3).answers
    torch.testing.assert_close(made.solve(problem[order], 3).answers, answers[:, order])
    torch.testing.assert_close(made.solve(problem[2:3], 3).answers, answers[:, 2:3])


@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_gradients_reach_every_trained_parameter(method, task):
    made = make(method, task)
    if method.learns:
        loss, answer = made.loss(problems(task, 16))
        loss.backward()
        assert answer.shape == (16, task.n_out)
        assert all(p.grad.abs().sum() > 0 for p in made.parameters() if p.requires_grad)
    else:
        assert made.used_parameters() == 0


@pytest.mark.parametrize(("method", "task"), PAIRS)
@pytest.mark.parametrize("matrix", [torch.zeros(3, 3), torch.eye(3)], ids=["zeros", "identity"])
def test_degenerate_problems_are_answered(method, task, matrix):
    problem = task.problem(*[matrix.double()] * task.matrices)
    assert make(method, task).solve(problem, 3).answers.isfinite().all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_cuda_answers_as_the_cpu_does(method, task):
    problem, made = problems(task).problem, make(method, task)
    expected = made.solve(problem, 3).answers
    there = made.cuda().solve(problem.to("cuda", torch.float64), 3).answers
    torch.testing.assert_close(there.cpu(), expected)
