"""Whatever is killed, whenever: the same command again, and nothing is lost or done twice."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress

import pandas as pd
import psutil
import pytest

from benchmarks.cli import run_command
from benchmarks.schema import read_results
from benchmarks.sweep import sweep

pytestmark = pytest.mark.processes

OPTIONS = ["--preset", "smoke", "--threads", "1", "--jobs", "2"]
OPTIONS += ["--tasks", "addition", "--methods", "irem,feedforward", "--seeds", "2"]
OPTIONS += ["--set", "train_iterations=300", "--set", "validate_every=50"]
COMMAND = [sys.executable, "-m", "benchmarks.sweep", *OPTIONS]
NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]


def finished(folder):
    """When each evaluation was finished; one that a killed worker cost is not."""
    paths = folder.glob("runs/*/*/rows.json")
    return {path: path.stat().st_mtime_ns for path in paths if '"mse"' in path.read_text()}


PHASES = ("starting", "training", "writing")


def reached(folder, phase, left):
    """Whether a sweep has come to a phase; what killed ones ``left`` does not say so."""
    if phase == "starting":
        return True
    pattern = "working/*.progress" if phase == "training" else "runs/**/*"
    return bool(files(folder, pattern) - left)


def files(folder, pattern):
    """Every file of a pattern, as it is now."""
    found = set()
    for path in folder.glob(pattern):
        with suppress(FileNotFoundError):  # a moment later
            found.add((path, path.stat().st_mtime_ns))
    return found


def workers_of(process):
    return [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if any("popen_loky" in part for part in child.cmdline())
    ]


def kill_once(folder, chance, phase):
    """Start a sweep and kill it, or a worker, at a random time of a phase; says whom, if anyone."""
    left = files(folder, "**/*")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*COMMAND, "--out", str(folder)], **quiet) as process:
        while process.poll() is None and not reached(folder, phase, left):
            time.sleep(0.001)
        time.sleep(chance.uniform(0, {"starting": 4, "training": 1, "writing": 0.05}[phase]))
        victim = None
        if process.poll() is None:
            workers = workers_of(process)
            of_worker = workers and chance.random() < 0.5
            victim = "a worker" if of_worker else "the sweep"
            (chance.choice(workers) if of_worker else psutil.Process(process.pid)).kill()
        process.wait()
    return victim, process.returncode


def undisturbed(folder):
    """What a sweep that nobody kills measures."""
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [*OPTIONS, "--out", str(folder)])
    assert ended.value.code == 0
    return read_results(folder).drop(columns=NOT_RESULTS)


def disturbed(folder, kills):
    """Kill ``kills`` times, then let it end; counts what was killed in which phase."""
    chance, killed = random.Random(0), Counter()
    while killed.total() < kills:
        phase = PHASES[(killed.total() + 1) % 3]
        before = finished(folder)
        victim, code = kill_once(folder, chance, phase)
        assert before.items() <= finished(folder).items(), "a finished run was lost or done again"
        if victim:
            killed[f"{victim} {phase}"] += 1
        if code == 0:
            start_over(folder, chance)
    return killed, undisturbed(folder)


def start_over(folder, chance):
    """All is done before all is killed: let two runs be done again."""
    for run in chance.sample(sorted(folder.glob("runs/*")), 2):
        shutil.rmtree(run)
    (folder / "results.csv").unlink()
    (folder / "table.md").unlink()


@pytest.mark.parametrize("kills", [3, pytest.param(100, marks=pytest.mark.long)])
def test_killed_at_random(tmp_path, kills):
    whole = undisturbed(tmp_path / "whole")
    began = time.monotonic()
    killed, results = disturbed(tmp_path / "cut", kills)
    assert not results.duplicated(["run_key", "size", "difficulty", "steps", "selection"]).any()
    pd.testing.assert_frame_equal(results, whole)
    for phase in PHASES:
        assert sum(count for name, count in killed.items() if name.endswith(phase)) >= kills // 3
    each = ", ".join(f"{name} {count}" for name, count in sorted(killed.items()))
    print(
        f"\n{killed.total()} kills ({each}) in {time.monotonic() - began:.0f} s; {len(whole)} rows "
        "equal to those of an undisturbed sweep, bit for bit"
    )


def test_ctrl_c_stops_soon_and_says_how_to_go_on(tmp_path):
    command = [*COMMAND, "--set", "train_iterations=100000", "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("working/*.progress")):
            assert process.poll() is None
            time.sleep(0.05)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, signal.SIGINT)
        try:
            code = process.wait(30)
        finally:
            process.kill()
        assert code == 130
        said = process.stderr.read()
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
