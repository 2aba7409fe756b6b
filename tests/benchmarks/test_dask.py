"""A sweep on a Dask cluster: a scheduler and two workers on loopback, one of which is killed."""

import json
import subprocess
import sys
import time

import pandas as pd
import pytest

from benchmarks.schema import read_results

SWEEP = [sys.executable, "-m", "benchmarks.sweep", "--preset", "smoke", "--threads", "1"]
SWEEP += ["--tasks", "addition", "--methods", "irem,trivial", "--seeds", "4"]
SWEEP += ["--set", "train_iterations=1500", "--set", "validate_every=100"]
NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]


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
    there = ["--backend", "dask", "--scheduler", address, "--out", "there"]
    with subprocess.Popen(
        [*SWEEP, *there], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as sweep:
        wait_for(lambda: len(list(tmp_path.glob("there/working/*.progress"))) == 2)
        workers[0].kill()
        said = sweep.communicate(timeout=180)[1]
    assert sweep.returncode == 0, said
    here = [*SWEEP, "--jobs", "2", "--out", "here"]
    subprocess.run(here, cwd=tmp_path, check=True, capture_output=True)
    one, other = (read_results(tmp_path / name) for name in ("there", "here"))
    assert set(one["status"]) == {"ok"}
    pd.testing.assert_frame_equal(one.drop(columns=NOT_RESULTS), other.drop(columns=NOT_RESULTS))


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    nowhere = ["--backend", "dask", "--scheduler", "tcp://127.0.0.1:1", "--out", "X"]
    done = subprocess.run(
        [*SWEEP, *nowhere], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "There is no Dask scheduler at tcp://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
