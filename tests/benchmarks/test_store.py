"""Files that are not what they should be, and several sweeps on one folder."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.execute import execute, give_up
from benchmarks.pipeline import with_options
from benchmarks.preset import checked, read_preset
from benchmarks.runs import Run, plan
from benchmarks.schema import read_results
from benchmarks.store import Store, write_frame
from benchmarks.test_overhead import DOES_NOTHING
from benchmarks.training import Execution

NOT_RESULTS = ["created", "seconds", "train_seconds", "evaluation_seconds", "peak_bytes"]
HOW = Execution(threads=1)
RESULTS = Path(__file__).parents[2] / "results"


def small(methods=("irem",), **settings):
    preset = with_options(
        checked(read_preset("smoke")), {"tasks": ["addition"], "methods": list(methods)}, {}
    )
    return plan(preset, settings)


def numbers(store):
    return store.collect().drop(columns=NOT_RESULTS)


@pytest.fixture
def done(tmp_path):
    """A finished run, and its store."""
    store, job = Store(tmp_path), small()
    store.prepare()
    assert execute(job, tmp_path, HOW) == ["ok"]
    return store, job


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("rows.json", lambda content: content[: len(content) // 2]),
        ("rows.json", lambda content: b"[]x"),
        ("rows.json", lambda content: b"{}"[:1]),
        ("rows.json", lambda content: b'[{"schema": 3}]'),
        ("rows.json", lambda content: content.replace(b'"run_key": "', b'"run_key": "0')),
        ("rows.json", lambda content: b"\xff\x00"),
        ("trace.parquet", lambda content: content[:-3]),
        ("trace.parquet", lambda content: b""),
        ("examples.parquet", lambda content: content[:10]),
        ("landscape.parquet", lambda content: content[:10]),
    ],
)
def test_a_damaged_evaluation_is_named_set_aside_and_made_again(done, pattern, damage, caplog):
    store, job = done
    before = numbers(store)
    path = sorted(store.folder.glob(f"runs/*/*/{pattern}"))[0]
    path.write_bytes(damage(path.read_bytes()))
    assert execute(job, store.folder, HOW) == ["ok"]
    assert str(path) in caplog.text
    assert path.with_name(f"{pattern}.damaged").exists()
    pd.testing.assert_frame_equal(numbers(store), before)


@pytest.mark.parametrize("name", ["method.safetensors", "config.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"\x08\0\0\0\0\0\0\0{}      ", b"\xff" * 100])
def test_a_damaged_method_is_trained_again(done, name, content, caplog):
    store, job = done
    before = numbers(store)
    for path in store.folder.glob("runs/*/*/*"):
        path.unlink()
    path = next(store.folder.glob(f"runs/*/{name}"))
    path.write_bytes(content)
    assert execute(job, store.folder, HOW) == ["ok"]
    assert str(path) in caplog.text
    pd.testing.assert_frame_equal(numbers(store), before)


def test_a_method_of_another_run_is_not_taken(done, caplog):
    store, job = done
    other = small(hidden=4)
    (run, _), (mine, _) = other[0], job[0]
    folder = store.run_folder(run.key)
    folder.mkdir()
    for name in ("config.json", "method.safetensors"):
        (folder / name).write_bytes((store.run_folder(mine.key) / name).read_bytes())
    assert execute(other, store.folder, HOW) == ["ok"]
    assert "is of another run" in caplog.text
    assert json.loads((folder / "config.json").read_text())["settings"]["hidden"] == 4


def test_a_damaged_state_starts_the_training_again(done, tmp_path, caplog):
    store, job = done
    again = Store(tmp_path / "again")
    again.prepare()
    folder = again.run_folder(job[0][0].key)
    folder.mkdir()
    rate = job[0][0].training.learning_rate
    (folder / f"state-{rate!r}.safetensors").write_bytes(b"half of it")
    assert execute(job, again.folder, HOW) == ["ok"]
    assert "is not a state of this run" in caplog.text
    pd.testing.assert_frame_equal(numbers(again), numbers(store))


def test_a_run_that_another_process_is_at_is_left_to_it(tmp_path):
    store, job = Store(tmp_path), small()
    store.prepare()
    with store.lock(job[0][0].key):
        assert execute(job, tmp_path, HOW) is None
    assert execute(job, tmp_path, HOW) == ["ok"]


COUNTED = f"""{DOES_NOTHING}
import os


class Counted(Nothing):
    name = "counted"

    def loss(self, batch):
        if "COUNT" in os.environ and len(batch) == 32:  # an update, not a rule of the contract
            with open(os.environ["COUNT"], "a") as file:
                file.write("x")
        return super().loss(batch)


METHODS = [Counted]
"""


def test_two_sweeps_on_one_folder_do_no_work_twice(tmp_path):
    (tmp_path / "counted_plugin.py").write_text(COUNTED)
    command = [sys.executable, "-m", "benchmarks.sweep", "--preset", "smoke", "--threads", "1"]
    command += ["--tasks", "addition", "--methods", "counted", "--seeds", "4", "--out", "X"]
    command += ["--plugin", "counted_plugin", "--set", "train_iterations=300", "--jobs", "1"]
    count = tmp_path / "count"
    own = {"COUNT": str(count), "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    sweeps = [
        subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, **own},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(2)
    ]
    said = [sweep.communicate()[1] for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0], said
    assert count.stat().st_size == 4 * 300  # updates
    results = read_results(tmp_path / "X")
    assert len(set(results["run_key"])) == 4
    assert set(results["status"]) == {"ok"}
    assert not results.duplicated(["run_key", "difficulty", "steps", "selection"]).any()


def test_what_another_sweep_could_not_finish_meanwhile_is_not_tried_again(tmp_path):
    store, job = Store(tmp_path), small(step_size=1e38)
    store.prepare()
    assert execute(job, tmp_path, HOW) == ["diverged"]
    rows = sorted(tmp_path.glob("runs/*/*/rows.json"))
    written = [path.stat().st_mtime_ns for path in rows]
    assert execute(job, tmp_path, replace(HOW, began="2000-01-01")) == ["diverged"]
    assert [path.stat().st_mtime_ns for path in rows] == written
    assert execute(job, tmp_path, replace(HOW, began="3000-01-01")) == ["diverged"]
    assert [path.stat().st_mtime_ns for path in rows] != written


def test_a_disk_that_is_full_costs_the_run_only(tmp_path, monkeypatch, caplog):
    store, job = Store(tmp_path), small()
    store.prepare()

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("benchmarks.execute.write_whole", full)
    give_up(job, tmp_path, "failed", RuntimeError("no more room"))
    assert "that cannot be written: [Errno 28] No space left" in caplog.text


def test_results_can_be_collected_while_a_sweep_is_at_work(tmp_path):
    store, job = Store(tmp_path), small(("irem", "trivial_copy"))
    store.prepare()
    execute(job[1:], tmp_path, HOW)
    with store.lock(job[0][0].key):
        assert set(store.collect()["method"]) == {"trivial_copy"}


@pytest.mark.parametrize("folder", ["quick", "precision", "paper"])
def test_settings_that_came_later_change_no_key(folder):
    """Results that are committed are found again by the runs that made them."""
    configs = [*(RESULTS / folder).glob("runs/*/config.json")]
    assert configs
    for path in configs:
        run = Run.from_config(json.loads(path.read_text()))
        assert run.key == path.parent.name


def test_frames_are_equal_bit_for_bit_when_they_are_read(tmp_path):
    noise = np.random.default_rng(0).normal(size=1000)
    noise[:5] = [np.nan, np.inf, -np.inf, -0.0, 5e-324]
    frame = pd.DataFrame(
        {
            "problem": np.arange(1000, dtype=np.int32),
            "kind": ["input", "target"] * 500,
            "solved": [True, False] * 500,
            "error": noise,
            "energy": noise.astype(np.float32),
            "values": [noise[i : i + 3].astype(np.float32) for i in range(1000)],
        }
    )
    write_frame(tmp_path / "new.parquet", frame)
    frame.to_parquet(tmp_path / "old.parquet", compression="zstd", index=False)
    new, old = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("new", "old"))
    assert new.dtypes.to_dict() == old.dtypes.to_dict()
    for name in ("error", "energy"):
        assert new[name].to_numpy().tobytes() == frame[name].to_numpy().tobytes()
    assert [v.tobytes() for v in new["values"]] == [v.tobytes() for v in frame["values"]]
    for name in ("problem", "kind", "solved"):
        assert new[name].tolist() == old[name].tolist()
    sizes = [(tmp_path / f"{name}.parquet").stat().st_size for name in ("new", "old")]
    assert sizes[0] < sizes[1]  # of noise little can be saved
