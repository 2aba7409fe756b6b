"""Speed: ``pytest benchmarks/ --benchmark-only``. Numbers to compare within one run."""

from __future__ import annotations

import pytest
import torch

from baselines.feedforward import Feedforward
from irem_core.irem import IREM
from irem_core.streams import stream
from irem_core.tasks import Addition, Completion, Inverse
from irem_core.trainer import Trainer, Training


@pytest.mark.benchmark(group="training update, addition")
@pytest.mark.parametrize("size", [5, 10, 20])
@pytest.mark.parametrize("method", [IREM, Feedforward], ids=lambda method: method.name)
def test_update(benchmark, method, size):
    trainer = Trainer(method(Addition(size)), Training(), seed=0)
    trainer.update()  # the first one has no replayed problems
    benchmark.pedantic(trainer.update, rounds=3)


@pytest.mark.benchmark(group="solve 1000 problems of addition, n = 20")
@pytest.mark.parametrize("steps", [1, 10, 40])
def test_solve(benchmark, steps):
    task = Addition()
    problem = task.draw(1000, stream("benchmark")).problem
    benchmark.pedantic(IREM(task).solve, (problem, steps), rounds=3)


@pytest.mark.benchmark(group="draw 1024 problems, n = 20")
@pytest.mark.parametrize("task", [Addition(), Completion(), Inverse()], ids=lambda task: task.name)
def test_draw(benchmark, task):
    benchmark(task.draw, 1024, stream("benchmark"), torch.float32)
