"""The preset smoke, run once: every task and method, as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.cli import run_command
from benchmarks.registry import METHODS, TASKS
from benchmarks.schema import COLUMNS, read_results
from benchmarks.sweep import sweep

NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]
NOT_RESULTS += ["dirty", "commit"]
AGAIN = ["--tasks", "completion,shortest_path", "--methods", "irem,ired,ponder,recurrent,trivial"]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory) -> Path:
    """The folder of the sweep, which runs in a process of its own with its default options."""
    folder = tmp_path_factory.mktemp("smoke")
    command = [sys.executable, "-m", "benchmarks.sweep", "--preset", "smoke", "--out", "X"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| irem " in done.stdout
    assert done.stderr.startswith("Loading torch ...\n")
    assert "97 of 97 runs done" in done.stderr
    return folder / "X"


def test_it_runs_every_task_and_method(smoke):
    results = read_results(smoke)
    assert tuple(results.columns) == COLUMNS
    assert set(results["task"]) == set(TASKS)
    assert set(results["method"]) == set(METHODS)
    assert (results["status"] == "ok").all()
    assert (results["error"] == "").all()
    assert not results.duplicated(["run_key", "size", "difficulty", "steps", "selection"]).any()
    irem = results[results["method"] == "irem"]
    assert set(irem["selection"]) == {"last", "lowest_energy", "stopped"}
    assert set(irem["steps"]) == {1, 2, 5}


def test_it_leaves_table_figures_traces_and_curves(smoke):
    assert "best trivial" in (smoke / "table.md").read_text()
    names = {path.stem for path in smoke.glob("figures/*.png")}
    assert {"skill", "skill_profile"} < names
    assert {name for name in names if "against_steps" in name} == {
        f"error_against_steps_{task}{'_3' * (cls.domain == 'matrix')}"
        for task, cls in TASKS.items()
    }
    trace = pd.read_parquet(next(smoke.glob("runs/*/*/trace.parquet")))
    assert {"problem", "step", "error", "energy", "flops", "seconds"} <= set(trace.columns)
    curve = pd.read_csv(next(smoke.glob("runs/*/curve.csv")))
    assert curve["update"].tolist() == [5, 10]
    assert not list(smoke.rglob("*.part")) + list(smoke.rglob("*.progress"))


def test_the_same_runs_give_the_same_numbers(smoke, tmp_path):
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, ["--preset", "smoke", *AGAIN, "--out", str(tmp_path)])
    assert ended.value.code == 0
    again = read_results(tmp_path).drop(columns=NOT_RESULTS)
    first = read_results(smoke).drop(columns=NOT_RESULTS)
    first = first[first["run_key"].isin(again["run_key"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, again)
