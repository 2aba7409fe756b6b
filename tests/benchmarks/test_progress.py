import io
import threading

import pytest
from rich.console import Console

from benchmarks.pipeline import with_options
from benchmarks.preset import checked, read_preset
from benchmarks.progress import Display, Heartbeat
from benchmarks.runs import plan
from benchmarks.store import Store
from benchmarks.time_left import Work


@pytest.fixture(scope="module")
def planned():
    chosen = {"tasks": ["addition"], "methods": ["irem", "feedforward"]}
    return plan(with_options(checked(read_preset("smoke")), chosen, {}), {})


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.prepare()
    return store


def test_a_reader_finds_a_whole_number_in_a_heartbeat_at_any_time(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.progress.BEAT", 0)
    path, read = tmp_path / "run.progress", []
    with Heartbeat(path) as heartbeat:
        heartbeat(10**9)
        writer = threading.Thread(target=lambda: [heartbeat(10**9 + i) for i in range(2000)])
        writer.start()
        while writer.is_alive():
            read.append(path.read_text())
        writer.join()
    assert len(read) > 100
    assert all(len(text) == 10 for text in read)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_run_left_is_removed(tmp_path):
    path = tmp_path / "run.progress"
    path.write_text("7")
    path.with_name("run.progress.part").write_text("8")
    with Heartbeat(path):
        assert not list(tmp_path.iterdir())


def test_only_a_run_that_is_held_counts_as_in_training(store):
    store.progress_file("held").write_text("5")
    store.progress_file("killed").write_text("6")
    with store.lock("held"):
        assert store.progress() == {"held": 5}


def displayed(store, planned, terminal, monkeypatch):
    """A display of two runs, and what it writes."""
    stream = io.StringIO()
    monkeypatch.setattr(
        "benchmarks.progress.Console",
        lambda stderr: Console(file=stream, force_terminal=terminal, width=120),
    )
    left = [[Work(run, run.training.updates, len(evaluations))] for run, evaluations in planned]
    return Display(store, left, workers=2), stream


def test_a_bar_stays_where_it_is_until_its_run_has_been_trained(store, planned, monkeypatch):
    display, _ = displayed(store, planned, True, monkeypatch)
    run, _ = planned[0]
    with store.lock(run.key), Heartbeat(store.progress_file(run.key)) as heartbeat:
        heartbeat(12)
        for _ in range(2):
            display._read_heartbeats()
            assert display.training[run.key].completed == 12
    display._read_heartbeats()
    assert not display.training


def test_a_run_that_is_trained_again_has_time_left_again(store, planned, monkeypatch):
    display, _ = displayed(store, planned, True, monkeypatch)
    run, _ = planned[0]
    for _ in range(2):  # its process died after the first time
        with store.lock(run.key), Heartbeat(store.progress_file(run.key)) as heartbeat:
            heartbeat(12)
            display._read_heartbeats()
            assert run.key not in display.trained
        display._read_heartbeats()
        assert run.key in display.trained


def test_lines_count_the_runs_that_are_done(store, planned, monkeypatch):
    display, stream = displayed(store, planned, False, monkeypatch)
    with display:
        for run, evaluations in planned:
            display.finished(run, evaluations, "ok")
    lines = stream.getvalue().splitlines()
    assert [line[:17] for line in lines] == ["1 of 2 runs done:", "2 of 2 runs done:"]


def test_a_line_says_how_far_a_run_is_and_how_long_it_takes(store, planned, monkeypatch):
    monkeypatch.setattr("benchmarks.progress.BEAT", 0)
    display, stream = displayed(store, planned, False, monkeypatch)
    clock = iter(range(1000))
    display.bars.get_time = lambda: float(next(clock))
    run, _ = planned[0]
    with store.lock(run.key), Heartbeat(store.progress_file(run.key)) as heartbeat:
        for done in (2, 4, 6):
            heartbeat(done)
            display._read_heartbeats()
    display._say()
    assert stream.getvalue().splitlines() == [
        "0 of 2 runs done, at least 4 s left",  # the other one was never measured
        f"  {run.method} on addition, n = 3, seed 0, 6 of 10 updates, about 4 s left",
    ]
