"""A supervised process: what is called in it can take too long or die, and costs itself only."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool, ShutdownExecutorError

T = TypeVar("T")


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

    def call(self, function: Callable[..., T], *arguments: Any, timeout: float | None = None) -> T:
        """``function(*arguments)`` there.

        Raises TimeoutError when it takes more than ``timeout`` seconds and was killed for it,
        CrashedError when the process died, StoppedError after ``stop_all``, and what the function
        raises.
        """
        try:
            future = self._ready().submit(function, *arguments)
            return future.result(timeout)
        except FutureTimeoutError as error:
            self.kill()
            raise TimeoutError(f"took more than {timeout:g} s and was stopped") from error
        except (BrokenProcessPool, ShutdownExecutorError) as error:
            self.kill()
            if _stopped.is_set():
                raise StoppedError from error
            raise CrashedError(f"the process died: {_cause(error)}") from error

    def kill(self) -> None:
        """End the process at once, whatever it does; when this returns it is dead."""
        executor, self.executor = self.executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)

    def _ready(self) -> ProcessPoolExecutor:
        """The process, with all its imports done, which no time limit counts."""
        if _stopped.is_set():
            raise StoppedError
        if self.executor is None:
            self.executor = ProcessPoolExecutor(
                max_workers=1, initializer=_begin, initargs=(os.getpid(), self.number)
            )
            self.executor.submit(os.getpid).result()
        return self.executor


_everyone: list[Supervised] = []
_idle: list[Supervised] = []
_taking = threading.Lock()
_stopped = threading.Event()


@contextmanager
def supervised() -> Iterator[Supervised]:
    """A supervised process that nobody else uses meanwhile: an idle one, or a new one."""
    with _taking:
        if not _idle:
            _everyone.append(Supervised(len(_everyone)))
            _idle.append(_everyone[-1])
        taken = _idle.pop()
    try:
        yield taken
    finally:
        _idle.append(taken)


def stop_all() -> None:
    """Kill every supervised process, for good."""
    _stopped.set()
    for each in _everyone:
        each.kill()


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
