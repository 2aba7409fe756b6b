"""How a sweep is stopped."""

import os
import signal

import pytest
import typer

from benchmarks import pipeline
from benchmarks.pipeline import stopping_at_once
from benchmarks.store import Store


def stopped_by(number, store):
    with stopping_at_once(store):
        os.kill(os.getpid(), number)
        signal.pause()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_while_the_first_is_handled_changes_nothing(tmp_path, monkeypatch, number):
    calls = []

    def stop_all():
        calls.append(number)
        os.kill(os.getpid(), number)  # as `timeout` sends it, to a process and to its group

    monkeypatch.setattr(pipeline, "stop_all", stop_all)
    store = Store(tmp_path)
    store.prepare()
    before = signal.getsignal(number)
    with pytest.raises(typer.Exit) as ended:
        stopped_by(number, store)
    assert ended.value.exit_code == 130
    assert calls == [number]
    assert store.csv.exists()
    assert signal.getsignal(number) == before


def test_stopping_takes_no_lock():
    """A signal may come while any lock is held, so its handler must not wait for one."""
    names = pipeline.stop_all.__code__.co_names
    assert not {"acquire", "set", "is_set", "wait", "_taking"} & {*names}
