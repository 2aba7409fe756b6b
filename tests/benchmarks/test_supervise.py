import importlib
import os
import signal
import subprocess
import sys
import time

import pytest

from benchmarks.supervise import CrashedError, TooLongError, supervised


def test_what_a_function_gives_or_raises_comes_back():
    with supervised() as process:
        assert process.call(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            process.call(divmod, 1, 0)
        with pytest.raises(MemoryError):
            process.call(bytearray, 2**60)


def test_it_is_another_process_and_is_kept():
    with supervised() as process:
        first = process.call(os.getpid)
        assert first != os.getpid()
        assert process.call(os.getpid) == first
    with supervised() as again:
        assert again.call(os.getpid) == first


def test_it_finds_the_modules_that_are_found_here(tmp_path, monkeypatch):
    (tmp_path / "found_here.py").write_text("def answer(): return 42")
    with supervised() as process:
        process.call(os.getpid)
        monkeypatch.syspath_prepend(tmp_path)
        assert process.call(importlib.import_module("found_here").answer) == 42


def test_a_death_costs_the_call_alone():
    with supervised() as process:
        before = process.call(os.getpid)
        with pytest.raises(CrashedError, match="the process died: SIGKILL"):
            process.call(signal.raise_signal, signal.SIGKILL)
        assert process.call(os.getpid) != before


def test_a_call_that_takes_too_long_is_killed():
    with supervised() as process:
        before = process.call(os.getpid)
        with pytest.raises(TooLongError, match=r"took more than 0\.2 s"):
            process.call(time.sleep, 60, timeout=0.2)
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)
        assert process.call(os.getpid) != before


ORPHAN = """
import os, time
from benchmarks.supervise import supervised
with supervised() as process:
    print(process.call(os.getpid), flush=True)
    process.call(time.sleep, 60)
"""


def test_it_does_not_outlive_whoever_started_it():
    command = [sys.executable, "-c", ORPHAN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        process = int(parent.stdout.readline())
        parent.kill()
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the process is still there")
