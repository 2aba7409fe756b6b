"""Speed: ``pytest benchmarks/ --benchmark-only``. Numbers to compare within one run."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from baselines.feedforward import Feedforward
from baselines.iterative import Iterative
from baselines.ponder import Ponder
from baselines.recurrent import Recurrent
from benchmarks.memory import PeakMemory
from benchmarks.plain import PlainGraphTraining, plain_shortest_path
from irem_core.irem import IREM
from irem_core.streams import stream
from irem_core.tasks import Addition, Completion, Inverse, ShortestPath
from irem_core.trainer import Trainer, Training


def graph_trainer() -> Trainer:
    method = IREM(ShortestPath(), hidden=128, replayed=32, stored=40)
    return Trainer(method, Training(batch=544), seed=0)


@pytest.mark.benchmark(group="training update, addition")
@pytest.mark.parametrize("size", [5, 10, 20])
@pytest.mark.parametrize(
    "method", [IREM, Feedforward, Recurrent, Iterative, Ponder], ids=lambda method: method.name
)
def test_matrix_update(benchmark, method, size):
    trainer = Trainer(method(Addition(size)), Training(), seed=0)
    trainer.update()  # the first one has no replayed problems
    benchmark.pedantic(trainer.update, rounds=3)


@pytest.mark.benchmark(group="training update, shortest path: 512 fresh and 32 replayed graphs")
@pytest.mark.parametrize("make", [graph_trainer, PlainGraphTraining], ids=["ours", "plain"])
def test_graph_update(benchmark, make):
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    trainer = make()
    trainer.update()
    benchmark.pedantic(trainer.update, rounds=15)
    with PeakMemory() as memory:
        trainer.update()
    benchmark.extra_info["peak_bytes"] = memory.peak - memory.now  # above what stays


@pytest.mark.benchmark(group="draw 512 problems of shortest path")
@pytest.mark.parametrize("how", ["ours", "plain"])
def test_graph_draw(benchmark, how):
    if how == "ours":
        benchmark(ShortestPath().draw, 512, stream("benchmark"))
    else:
        benchmark.pedantic(lambda: [plain_shortest_path() for _ in range(512)], rounds=5)


@pytest.mark.benchmark(group="solve 1000 problems of addition, n = 20")
@pytest.mark.parametrize("steps", [1, 10, 40])
def test_solve(benchmark, steps):
    task = Addition()
    problem = task.draw(1000, stream("benchmark")).problem
    benchmark.pedantic(IREM(task).solve, (problem, steps), rounds=3)


@pytest.mark.benchmark(group="draw 1024 problems, n = 20")
@pytest.mark.parametrize("task", [Addition(), Completion(), Inverse()], ids=lambda task: task.name)
def test_matrix_draw(benchmark, task):
    benchmark(task.draw, 1024, stream("benchmark"))
