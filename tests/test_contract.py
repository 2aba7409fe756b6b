"""What every registered method must do on every task that it answers."""

from dataclasses import replace

import pytest
import torch

from benchmarks.registry import METHODS, TASKS
from benchmarks.runs import Run
from benchmarks.settings import settings_for
from irem_core.streams import stream
from irem_core.types import Problem

SMALL = {"hidden": 16, "replayed": 8, "stored": 8, "capacity": 32, "batch": 16}

PAIRS = [
    pytest.param(method, task(size=3), id=f"{name}-{task.name}")
    for name, method in METHODS.items()
    for task in TASKS.values()
    if method.answers_task(task(size=3))
]

GRAPHS = [pair for pair in PAIRS if pair.values[1].domain == "graph"]


def make(method, task, seed=0):
    run = Run(method.name, task, settings_for(method.name, task.domain, [SMALL]), seed)
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
    problem = problems(task, 1).problem
    x = matrix.double().flatten().repeat(problem.x.shape[1] // 9)[None]
    assert make(method, task).solve(replace(problem, x=x), 3).answers.isfinite().all()


@pytest.mark.parametrize(("method", "task"), GRAPHS)
def test_relabelling_the_nodes_relabels_the_answer(method, task):
    problem, made = problems(task.test(4, "harder")).problem, make(method, task)
    order = torch.tensor([2, 0, 3, 1])

    def relabel(pairs):
        return pairs.unflatten(-1, (4, 4))[..., order, :][..., order].flatten(-2)

    moved = replace(problem, x=relabel(problem.x), start=relabel(problem.start))
    answers = made.solve(problem, 3).answers
    torch.testing.assert_close(made.solve(moved, 3).answers, relabel(answers))


@pytest.mark.parametrize(("method", "task"), GRAPHS)
def test_a_graph_alone_is_answered_as_among_larger_ones(method, task):
    problem, made = problems(task).problem, make(method, task)
    answers = made.solve(problem, 3).answers
    assert (answers.masked_select(~problem.mask) == 0).all()
    for b, n in enumerate(problem.nodes.tolist()):

        def alone(pairs, b=b, n=n):
            return pairs.unflatten(-1, (3, 3))[..., b : b + 1, :n, :n].flatten(-2)

        one = Problem(alone(problem.x), alone(problem.start), problem.nodes[b : b + 1])
        torch.testing.assert_close(made.solve(one, 3).answers, alone(answers))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize(("method", "task"), PAIRS)
def test_cuda_answers_as_the_cpu_does(method, task):
    problem, made = problems(task).problem, make(method, task)
    expected = made.solve(problem, 3).answers
    there = made.cuda().solve(problem.to("cuda", torch.float64), 3).answers
    torch.testing.assert_close(there.cpu(), expected)
