"""Speed: ``pytest benchmarks/ --benchmark-only``. One question a group, one axis varied at a time.

What is timed is also counted: floating-point operations, the share of the rate at which this
machine multiplies matrices in the same run, and the peak memory above what was there before.
"""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
import torch

from baselines.feedforward import Feedforward
from baselines.iterative import Iterative
from baselines.ponder import Ponder
from baselines.recurrent import Recurrent
from benchmarks.flops import FlopCounter
from benchmarks.memory import PeakMemory
from benchmarks.plain import (
    PlainAddition,
    PlainGraphTraining,
    PlainMatrixEnergy,
    PlainMatrixTraining,
    plain_shortest_path,
)
from benchmarks.rates import product_rates, why_mixed_is_slow
from irem_core.descent import autograd_gradient
from irem_core.engine import ENGINES, Captured, update_of
from irem_core.irem import IREM
from irem_core.precision import precision
from irem_core.replay import Replay
from irem_core.streams import stream
from irem_core.tasks import Addition, Completion, Inverse, ShortestPath
from irem_core.trainer import Trainer, Training

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
LONGEST = 3.0  # seconds that the rounds of a benchmark may take; it has at least 2
METHODS = (IREM, Feedforward, Recurrent, Iterative, Ponder)


@pytest.fixture(scope="session")
def tried(request):
    """Whether benchmarks are only tried, by ``--benchmark-disable``, and nothing is timed."""
    return request.config.getoption("--benchmark-disable")


@pytest.fixture(scope="session")
def rates(tried):
    """Operations a second of matrix products of the size that the networks have, by type."""
    return {} if tried else product_rates(DEVICE)


@pytest.fixture
def sized(tried):
    """The number of problems; a 64th of it, but at least 1, where benchmarks are only tried."""
    return (lambda problems: max(1, problems // 64)) if tried else (lambda problems: problems)


@pytest.fixture
def draw(sized):
    """Draws so many problems of a task on the device."""
    return lambda task, count: task.draw(sized(count), stream("speed")).to(DEVICE, torch.float32)


@pytest.fixture
def check_precision(rates):
    """Skips a benchmark in mixed precision where that takes longer than float32, up to minutes."""

    def check(dtype):
        reason = why_mixed_is_slow(rates) if rates and dtype == "mixed" else None
        if reason:
            pytest.skip(reason)

    return check


def synchronised(function):
    function()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()


def duration(function):
    began = time.perf_counter()
    synchronised(function)
    return time.perf_counter() - began


@pytest.fixture
def measure(benchmark, rates):
    """Times a function, and says what it computes: ``measure(function, size=20)``.

    ``counted`` does the same eagerly, for operations and memory that the function does not show.
    """

    def run(function, dtype="float32", rounds=5, counted=None, **axis):
        counted = counted or function
        seconds = duration(function)
        if seconds < LONGEST:
            seconds = duration(function)  # the first call can be slower than the others
        if counted is not function:
            counted()
        rounds = max(2, min(rounds, int(LONGEST / seconds)))
        benchmark.pedantic(synchronised, (function,), rounds=rounds)
        with PeakMemory() as memory:
            counted()
        with FlopCounter() as counter:
            counted()
        benchmark.extra_info |= {"axis": axis, "dtype": dtype, "device": str(DEVICE)}
        benchmark.extra_info |= {"operations": counter.total, "peak_bytes": memory.peak}
        if benchmark.stats:  # none where benchmarks are only tried
            rate = counter.total / benchmark.stats.stats.median
            benchmark.extra_info["share_of_product_rate"] = rate / rates[dtype]

    return run


def seed():
    random.seed(0), np.random.seed(0), torch.manual_seed(0)


def trainer(method, dtype="float32", **training):
    return Trainer(method, Training(dtype=dtype, **training), 0, DEVICE)


@pytest.fixture
def addition_trainer(sized):
    """Makes trainers of IREM on addition."""
    replay, batch = {"replayed": sized(512), "stored": sized(512)}, sized(1024)
    return lambda dtype="float32": trainer(IREM(Addition(), **replay), dtype, batch=batch)


def warm_up(updates):
    """Until all that is compiled or captured is."""
    for update in updates:
        for _ in range(Captured.warm_up + 1):
            update()


@pytest.mark.benchmark(group="IREM update, addition, n = 20, data and replay included")
@pytest.mark.parametrize("how", ["plain", "float32", "mixed"])
def test_matrix_update(measure, sized, addition_trainer, check_precision, how):
    check_precision(how)
    seed()
    if how == "plain":
        training = PlainMatrixTraining(fresh=sized(512), replayed=sized(512), device=DEVICE)
        measure(training.update, rounds=9)
    else:
        measure(addition_trainer(how).update, how, rounds=9)


@pytest.mark.benchmark(group="IREM update, shortest path, data and replay included")
@pytest.mark.parametrize("how", ["plain", "float32"])
def test_graph_update(measure, sized, how):
    seed()
    fresh, replay = sized(512), {"replayed": sized(32), "stored": sized(40)}
    if how == "plain":
        training = PlainGraphTraining(fresh, **replay, device=DEVICE)
    else:
        method = IREM(ShortestPath(), hidden=128, **replay)
        training = trainer(method, batch=fresh + replay["replayed"])
    measure(training.update, rounds=9)


@pytest.mark.benchmark(group="IREM update, addition, n = 20, by engine")
@pytest.mark.parametrize("engine", ENGINES)
def test_update_by_engine(measure, addition_trainer, engine):
    if engine == "captured" and DEVICE.type != "cuda":
        pytest.skip("no CUDA device here")
    update = update_of([addition_trainer()], engine)
    warm_up([update])
    measure(update, counted=addition_trainer().update, rounds=9)


@pytest.mark.benchmark(group="an update of 5 seeds of IREM, addition, n = 20")
@pytest.mark.parametrize("how", ["in turn", "at once"])
def test_seeds_at_once(measure, addition_trainer, check_precision, how):
    check_precision("mixed")
    engine = "captured" if DEVICE.type == "cuda" else "eager"
    trainers = [addition_trainer("mixed") for _ in range(5)]
    groups = [trainers] if how == "at once" else [[one] for one in trainers]
    updates = [update_of(group, engine) for group in groups]
    warm_up(updates)

    def in_turn():
        for one in trainers:
            one.update()

    measure(lambda: [update() for update in updates], "mixed", counted=in_turn, rounds=3)


@pytest.mark.benchmark(group="80 steps for 1000 problems of addition, n = 20")
@pytest.mark.parametrize("how", ["plain", "float32", "mixed"])
def test_long_solve(measure, draw, check_precision, how):
    check_precision(how)
    task = Addition()
    problem = draw(task, 1000).problem
    if how == "plain":
        energy = PlainMatrixEnergy(task.size).to(DEVICE)
        measure(lambda: energy.descend(problem.x, problem.start, 80), rounds=3)
        return
    method = IREM(task).to(DEVICE)

    def solve():
        with precision(how, DEVICE), torch.no_grad():
            for _ in method.unroll(problem, 80):
                pass

    measure(solve, dtype=how, rounds=3)


@pytest.mark.benchmark(group="dE/dy, addition, n = 20, 1024 problems")
@pytest.mark.parametrize("how", ["autograd", "closed form"])
def test_matrix_gradient(measure, draw, how):
    task = Addition()
    compare_gradients(measure, IREM(task), draw(task, 1024).problem, how)


@pytest.mark.benchmark(group="dE/dy, shortest path, 544 graphs of 2 to 10 nodes")
@pytest.mark.parametrize("how", ["autograd", "closed form"])
def test_graph_gradient(measure, draw, how):
    task = ShortestPath()
    compare_gradients(measure, IREM(task, hidden=128), draw(task, 544).problem, how)


def compare_gradients(measure, method, problem, how):
    landscape = method.to(DEVICE).energy.at(problem)
    if how == "autograd":
        measure(lambda: autograd_gradient(landscape, problem.start).detach())
    else:
        measure(lambda: landscape.gradient(problem.start))


@pytest.mark.benchmark(group="one inner step, 256 problems of addition, by size")
@pytest.mark.parametrize("side", [5, 10, 20, 40])
def test_matrix_step(measure, draw, side):
    task = Addition(side)
    method, problem = IREM(task).to(DEVICE), draw(task, 256).problem
    landscape = method.energy.at(problem)
    measure(lambda: landscape.gradient(problem.start), rounds=15, size=side)


@pytest.mark.benchmark(group="one inner step, 16 problems of shortest path, by size")
@pytest.mark.parametrize("nodes", [5, 10, 20, 40, 60])
def test_graph_step(measure, draw, nodes):
    task = ShortestPath(nodes, nodes)
    method, problem = IREM(task, hidden=128).to(DEVICE), draw(task, 16).problem
    landscape = method.energy.at(problem)
    measure(lambda: landscape.gradient(problem.start), rounds=9, size=nodes)


@pytest.mark.benchmark(group="solve 256 problems of addition, n = 20, by steps")
@pytest.mark.parametrize("steps", [1, 5, 20, 80])
def test_solve_by_steps(measure, draw, steps):
    task = Addition()
    method, problem = IREM(task).to(DEVICE), draw(task, 256).problem
    measure(lambda: method.solve(problem, steps), steps=steps)


@pytest.mark.benchmark(group="10 steps for one problem: latency")
@pytest.mark.parametrize("task", [Addition(), ShortestPath(10, 10)], ids=lambda task: task.name)
def test_latency(measure, draw, task):
    hidden = 128 if task.domain == "graph" else 512
    method, problem = IREM(task, hidden=hidden).to(DEVICE), draw(task, 1).problem
    measure(lambda: method.solve(problem, 10), rounds=15)


@pytest.mark.benchmark(group="10 steps for 256 problems of addition, n = 20, by difficulty")
@pytest.mark.parametrize("difficulty", ["same", "harder"])
def test_solve_by_difficulty(measure, draw, difficulty):
    task = Addition()
    method = IREM(task).to(DEVICE)
    problem = draw(task.at(difficulty), 256).problem
    measure(lambda: method.solve(problem, 10))


@pytest.mark.benchmark(group="update of 1024 problems of addition, n = 20, by method")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_matrix_update_by_method(measure, sized, method):
    replay = {"replayed": sized(512), "stored": sized(512)} if method is IREM else {}
    measure(trainer(method(Addition(), **replay), batch=sized(1024)).update, rounds=2)


@pytest.mark.benchmark(group="update of 136 problems of shortest path, by method")
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_graph_update_by_method(measure, sized, method):
    replay = {"replayed": sized(8), "stored": sized(10)} if method is IREM else {}
    training = trainer(method(ShortestPath(), hidden=128, **replay), batch=sized(136))
    measure(training.update, rounds=3)


@pytest.mark.benchmark(group="draw 512 problems of shortest path")
@pytest.mark.parametrize("how", ["plain", "ours"])
def test_graph_draw(measure, sized, how):
    count = sized(512)
    if how == "ours":
        measure(lambda: ShortestPath().draw(count, stream("speed", device=DEVICE)))
    else:
        measure(lambda: [plain_shortest_path() for _ in range(count)])


@pytest.mark.benchmark(group="draw 512 problems of addition, n = 20")
@pytest.mark.parametrize("how", ["plain", "ours"])
def test_addition_draw(measure, sized, how):
    count = sized(512)
    if how == "ours":
        measure(lambda: Addition().draw(count, stream("speed", device=DEVICE)))
        return
    data = PlainAddition(20)

    def one_by_one():
        columns = zip(*(data[i] for i in range(count)), strict=True)
        return [torch.stack(column) for column in columns]

    measure(one_by_one)


@pytest.mark.benchmark(group="draw 1024 problems, n = 20, by task")
@pytest.mark.parametrize("task", [Addition(), Completion(), Inverse()], ids=lambda task: task.name)
def test_matrix_draw(measure, sized, task):
    measure(lambda: task.draw(sized(1024), stream("speed", device=DEVICE)))


@pytest.mark.benchmark(group="store 1024 problems of addition, n = 20, and draw 512 again")
@pytest.mark.parametrize("how", ["plain", "ours"])
def test_replay(measure, draw, sized, how):
    batch, again = draw(Addition(), 1024), sized(512)
    if how == "ours":
        replay, generator = Replay(10_000, like=batch), stream("speed", device=DEVICE)
        measure(lambda: (replay.add(batch), replay.sample(again, generator)))
        return
    buffer = []

    def store_and_draw():
        buffer.extend(zip(batch.problem.x, batch.target, batch.problem.start, strict=True))
        del buffer[:-10_000]
        rows = random.choices(buffer, k=again)
        return [torch.stack(column) for column in zip(*rows, strict=True)]

    measure(store_and_draw)
