"""Whatever is killed, whenever: the same command again, and nothing is lost or done twice."""

import os
import random
import signal
import subprocess
import sys
import time

import pandas as pd
import psutil
import pytest

from benchmarks.store import Store, read_results

COMMAND = [sys.executable, "-m", "benchmarks.sweep", "--preset", "smoke", "--threads", "1"]
COMMAND += ["--tasks", "addition", "--methods", "irem,feedforward", "--seeds", "2"]
COMMAND += ["--set", "train_iterations=400", "--set", "validate_every=50", "--jobs", "2"]
NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]


def finished(folder):
    """When each evaluation was finished."""
    rows = Store(folder).frame()
    done = set(rows.loc[rows["mse"].notna(), "run_key"]) if len(rows) else set()
    paths = folder.glob("runs/*/*/rows.json")
    return {path: path.stat().st_mtime_ns for path in paths if path.parent.parent.name in done}


def kill_something(sweep, chance):
    """A random worker, or the sweep itself."""
    processes = [
        child
        for child in psutil.Process(sweep.pid).children(recursive=True)
        if any("popen_loky" in part for part in child.cmdline())
    ]
    victim = chance.choice([*processes, psutil.Process(sweep.pid)])
    victim.kill()
    return "the sweep" if victim.pid == sweep.pid else "a worker"


def undisturbed(folder):
    subprocess.run([*COMMAND, "--out", str(folder)], check=True, capture_output=True)
    return read_results(folder).drop(columns=NOT_RESULTS)


def disturbed(folder, kills):
    """Kill ``kills`` times, then let it end; says what was killed."""
    chance, killed = random.Random(0), []
    while len(killed) < kills:
        before = finished(folder)
        with subprocess.Popen(
            [*COMMAND, "--out", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as sweep:
            try:
                sweep.wait(chance.uniform(2, 10))
            except subprocess.TimeoutExpired:
                killed.append(kill_something(sweep, chance))
            sweep.wait()
        after = finished(folder)
        assert before.items() <= after.items(), "a finished run was lost or done again"
        if sweep.returncode == 0 and len(killed) < kills:
            start_over(folder, chance)
    subprocess.run([*COMMAND, "--out", str(folder)], check=True, capture_output=True)
    return killed, read_results(folder).drop(columns=NOT_RESULTS)


def start_over(folder, chance):
    """All is done before all is killed: let one run be done again."""
    run = chance.choice(sorted(folder.glob("runs/*")))
    for path in sorted(run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


@pytest.mark.parametrize("kills", [2, pytest.param(100, marks=pytest.mark.long)])
def test_killed_at_random(tmp_path, kills):
    whole = undisturbed(tmp_path / "whole")
    began = time.monotonic()
    killed, results = disturbed(tmp_path / "cut", kills)
    assert not results.duplicated(["run_key", "size", "difficulty", "steps", "selection"]).any()
    pd.testing.assert_frame_equal(results, whole)
    print(
        f"\n{len(killed)} kills, {killed.count('the sweep')} of them of the sweep itself, in "
        f"{time.monotonic() - began:.0f} s; {len(whole)} rows equal to those of an undisturbed "
        f"sweep, bit for bit"
    )


def test_ctrl_c_stops_soon_and_says_how_to_go_on(tmp_path):
    command = [*COMMAND, "--set", "train_iterations=100000", "--out", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sweep:
        while not list(tmp_path.glob("working/*.progress")):
            assert sweep.poll() is None
            time.sleep(0.05)
        workers = psutil.Process(sweep.pid).children(recursive=True)
        os.kill(sweep.pid, signal.SIGINT)
        assert sweep.wait(30) == 130
        said = sweep.stderr.read()
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not alive
