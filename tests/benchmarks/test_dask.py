"""A sweep on a Dask cluster: a scheduler and two workers on loopback, one of which is killed."""

import json
import subprocess
import sys
import threading
import time

import pandas as pd
import pytest

from benchmarks.cli import run_command
from benchmarks.schema import read_results
from benchmarks.sweep import sweep

pytestmark = pytest.mark.processes

SWEEP = ["--preset", "smoke", "--threads", "1", "--tasks", "addition"]
SWEEP += ["--methods", "irem,trivial", "--seeds", "3"]
SWEEP += ["--set", "train_iterations=300", "--set", "validate_every=50"]
NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]


def run(*arguments) -> int:
    """The exit code of a sweep with these arguments."""
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [*SWEEP, *map(str, arguments)])
    return ended.value.code


def wait_for(condition, seconds=300):  # patient: other tests run on the same cores
    ends = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.05)
    return found


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler, and its two workers."""
    file = tmp_path / "scheduler.json"
    at = ["--scheduler-file", str(file)]
    own = {"cwd": tmp_path, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    dask = [sys.executable, "-m", "dask"]
    quiet = ["--no-dashboard"]
    scheduler = subprocess.Popen(
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *at, *quiet], **own
    )
    worker = [*dask, "worker", *at, "--nthreads", "1", "--no-nanny", *quiet]
    workers = [subprocess.Popen(worker, **own) for _ in range(2)]
    yield wait_for(lambda: file.exists() and json.loads(file.read_text())["address"]), workers
    for process in [*workers, scheduler]:
        process.kill()
        process.wait()


def test_a_cluster_that_loses_a_worker_ends_as_one_machine_does(cluster, tmp_path):
    address, workers = cluster

    def kill_one_at_work():
        wait_for(lambda: len(list(tmp_path.glob("there/working/*.progress"))) == 2)
        workers[0].kill()

    killer = threading.Thread(target=kill_one_at_work)
    killer.start()
    there = ["--backend", "dask", "--scheduler", address, "--out", tmp_path / "there"]
    assert run(*there) == 0
    killer.join()
    assert workers[0].wait() != 0
    assert run("--jobs", 2, "--out", tmp_path / "here") == 0
    one, other = (read_results(tmp_path / name) for name in ("there", "here"))
    assert set(one["status"]) == {"ok"}
    pd.testing.assert_frame_equal(one.drop(columns=NOT_RESULTS), other.drop(columns=NOT_RESULTS))


def test_a_cluster_that_is_not_there_is_named(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.distribute.SCHEDULER_TIMEOUT", 1)
    nowhere = ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:1", "--out", tmp_path]
    assert run(*nowhere) == 2
    assert "There is no Dask scheduler at tcp://127.0.0.1:1" in capsys.readouterr().err
