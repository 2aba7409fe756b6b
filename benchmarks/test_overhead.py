"""What a sweep costs beside its runs: ``pytest benchmarks/test_overhead.py --benchmark-only``."""

from __future__ import annotations

import psutil
import pytest

from benchmarks.cli import run_command
from benchmarks.execute import is_done
from benchmarks.pipeline import with_options
from benchmarks.preset import checked, read_preset
from benchmarks.runs import plan
from benchmarks.store import Store
from benchmarks.sweep import sweep

RUNS = 200
DOES_NOTHING = """
import torch

from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.types import Step


class Nothing(Method):
    name = "nothing"

    def __init__(self, task):
        super().__init__(task)
        self.offset = torch.nn.Parameter(torch.zeros(task.n_out))

    @classmethod
    def answers_task(cls, task):
        return task.domain == "matrix"

    @classmethod
    def can_express(cls, task):
        return False

    def unroll(self, problem, steps):
        yield Step(problem.start)
        for _ in range(steps):
            yield Step(problem.start + self.offset)

    def loss(self, batch):
        *_, last = self.unroll(batch.problem, 1)
        return mean_squared_error(last.answer, batch), last.answer


METHODS = [Nothing]
"""


def run_nothing(folder, runs):
    """Sweep over runs of a method that does nothing, 2 at a time."""
    options = ["--preset", "smoke", "--tasks", "addition", "--methods", "nothing"]
    options += ["--seeds", str(runs), "--jobs", "2", "--threads", "1"]
    options += ["--plugin", "nothing_plugin", "--set", "train_iterations=0"]
    options += ["--difficulties", "same", "--steps", "1"]
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [*options, "--out", str(folder)])
    assert ended.value.code == 0


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """The processes that execute runs, each of which has imported what it needs."""
    folder = tmp_path_factory.mktemp("overhead")
    (folder / "nothing_plugin.py").write_text(DOES_NOTHING)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        # figures take the same time for any number of runs
        patch.setattr("benchmarks.pipeline.write_figures", lambda folder, jobs: [])
        run_nothing(folder / "first", 2)
        yield


@pytest.mark.benchmark(group=f"a sweep of {RUNS} runs that do nothing, 2 at a time")
@pytest.mark.parametrize("what", ["all to do", "all done"])
@pytest.mark.usefixtures("processes")
def test_overhead(benchmark, tmp_path, what):
    out, runs = tmp_path / "out", 4 if benchmark.disabled else RUNS
    if what == "all done":
        run_nothing(out, runs)
    benchmark.pedantic(run_nothing, (out, runs), rounds=1)
    benchmark.extra_info["parent_bytes"] = psutil.Process().memory_info().rss
    if benchmark.stats:
        benchmark.extra_info["seconds_a_run"] = benchmark.stats.stats.median / runs


@pytest.mark.benchmark(group=f"finding out that {RUNS} runs are done")
@pytest.mark.usefixtures("processes")
def test_all_done(benchmark, tmp_path):
    runs = 4 if benchmark.disabled else RUNS
    run_nothing(tmp_path, runs)
    benchmark(find_out, tmp_path, runs)


def find_out(folder, runs):
    chosen = {"tasks": ["addition"], "methods": ["nothing"], "seeds": runs}
    chosen["difficulties"] = ["same"]
    preset = with_options(checked(read_preset("smoke")), chosen, {"steps": [1]})
    planned = plan(preset, {"train_iterations": 0})
    store = Store(folder)
    assert all(is_done(run, evaluations, store) for run, evaluations in planned)
