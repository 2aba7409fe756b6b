"""A supervised process: what is called in it can take too long or die, and costs itself only."""

from __future__ import annotations

import itertools
import os
import re
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import contextmanager, suppress
from multiprocessing import current_process
from typing import Any, TypeVar

import torch
from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

from benchmarks.errors import UsageError

T = TypeVar("T")

# loky replaces a process that has grown by 300 MB, between two calls: nothing is lost by it
REPLACED = "A worker (was restarted|stopped) while some jobs were given to the executor"
warnings.filterwarnings("ignore", message=REPLACED, category=UserWarning)


class TooLongError(RuntimeError):
    """The call took more time than it was given."""


class CrashedError(RuntimeError):
    """The process died, and with it the call."""


class StoppedError(RuntimeError):
    """Nothing is called any more: ``stop_all`` was."""


class Supervised:
    """A process for one call at a time. It is kept between calls, and made anew after a death.

    number: of this process among its like, which CUDA devices are given out by.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.executor: ProcessPoolExecutor | None = None
        self.path: list[str] = []

    def call(self, function: Callable[..., T], *arguments: Any, timeout: float | None = None) -> T:
        """``function(*arguments)`` there.

        Raises TooLongError when it takes more than ``timeout`` seconds and was killed for it,
        CrashedError when the process died, StoppedError after ``stop_all``, and what the function
        raises.
        """
        try:
            ready = self._ready()
            if _stopping:  # while it was made
                self.kill()
                raise StoppedError
            future = ready.submit(function, *arguments)
            wait([future], timeout)
            if not future.done():
                self.kill()
                raise TooLongError(f"took more than {timeout:g} s and was stopped")
            return future.result()
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            self.kill()
            if _stopping:
                raise StoppedError from error
            raise CrashedError(f"the process died: {_cause(error)}") from error

    def kill(self) -> None:
        """End the process at once, whatever it does; when this returns it is dead."""
        executor, self.executor = self.executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)

    def _ready(self) -> ProcessPoolExecutor:
        """The process, with all its imports done, which no time limit counts."""
        if current_process().daemon:
            raise UsageError(
                "This process may have none of its own, which runs are executed in. Start the "
                "workers of a Dask cluster with --no-nanny."
            )
        if _stopping:
            raise StoppedError
        if self.path != sys.path:  # it would not find the plugins that are found here
            self.kill()
        if self.executor is None:
            self.path = list(sys.path)
            self.executor = ProcessPoolExecutor(
                max_workers=1, initializer=_begin, initargs=(os.getpid(), self.number)
            )
            self.executor.submit(os.getpid).result()
        return self.executor


_idle: list[Supervised] = []
_numbers = itertools.count()
_everyone: weakref.WeakSet[Supervised] = weakref.WeakSet()
_taking = threading.Lock()
_stopping = False  # no lock: a signal's handler sets it, whatever was interrupted


@contextmanager
def supervised() -> Iterator[Supervised]:
    """A supervised process that nobody else uses meanwhile: an idle one, or a new one."""
    with _taking:
        taken = _idle.pop() if _idle else Supervised(next(_numbers))
        _everyone.add(taken)
    try:
        yield taken
    finally:
        _idle.append(taken)


def stop_all() -> None:
    """Kill every supervised process, and start none until ``start_again``.

    From a signal's handler too: it waits for nothing.
    """
    global _stopping
    _stopping = True
    for executor in [each.executor for each in list(_everyone)]:
        # loky's own way to kill takes locks, which what was interrupted may hold
        for pid in list(executor._processes) if executor else []:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def start_again() -> None:
    """Calls are possible again."""
    global _stopping
    _stopping = False


def _begin(parent: int, number: int) -> None:
    """Whoever started this process decides when it ends: not the keyboard, and not later.

    It takes a CUDA device, in turn, and imports what all calls need.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if torch.cuda.is_available():
        torch.cuda.set_device(number % torch.cuda.device_count())
    import benchmarks.execute  # noqa: F401


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _cause(error: BaseException) -> str:
    """The exit code that loky found, as in SIGKILL(-9), if it did."""
    found = re.search(r"\{(.+?)\}", str(error))
    return found.group(1) if found else str(error)
