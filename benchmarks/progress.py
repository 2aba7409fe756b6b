"""How far a sweep has come: bars on a terminal, a line now and then elsewhere.

Workers, in whatever process, write how far they are beside their run; the parent reads it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from benchmarks.runs import Run
from benchmarks.store import Store

BEAT = 0.5  # seconds between two looks
LINE = 15.0  # seconds between two lines where there is no terminal


class Heartbeat:
    """Writes the number of updates done to a file, at most once a beat.

    ``with Heartbeat(path) as heartbeat``: afterwards nothing of it is left.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.written = 0.0

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)  # of a run that was cut off
        return self

    def __exit__(self, *error: object) -> None:
        self.path.unlink(missing_ok=True)

    def __call__(self, done: int) -> None:
        if time.monotonic() - self.written > BEAT:
            self.written = time.monotonic()
            self.path.write_text(str(done))


class Display:
    """Shows a sweep while it runs: ``with Display(store, runs) as display``."""

    def __init__(self, store: Store, runs: list[Run]) -> None:
        self.store = store
        self.runs = {run.key: run for run in runs}
        self.console = Console(stderr=True)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.sweep = self.bars.add_task("runs", total=len(runs))
        self.training: dict[str, Task] = {}
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self.bars.start()
        self.watcher.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.over.set()
        self.watcher.join()
        self.bars.stop()

    def finished(self, run: Run, status: str) -> None:
        """A run is done, well or not."""
        self.bars.advance(self.sweep)
        if status != "ok" or not self.console.is_terminal:
            self.console.print(f"{self._count()}: {_label(run)} {status}", soft_wrap=True)

    def _watch(self) -> None:
        spoken = time.monotonic()
        while not self.over.wait(BEAT):
            self._read_heartbeats()
            if not self.console.is_terminal and time.monotonic() - spoken > LINE:
                spoken = time.monotonic()
                self._say()

    def _read_heartbeats(self) -> None:
        at_work = self.store.progress()
        for key in set(self.training) - set(at_work):
            self.bars.remove_task(self.training.pop(key).id)
        for key, done in at_work.items():
            if key in self.runs and key not in self.training:
                run = self.runs[key]
                added = self.bars.add_task(_label(run), total=run.training.updates)
                self.training[key] = next(t for t in self.bars.tasks if t.id == added)
            if key in self.training:
                self.bars.update(self.training[key].id, completed=done)

    def _say(self) -> None:
        for task in self.training.values():
            left = "?" if task.time_remaining is None else f"{task.time_remaining:.0f}"
            self.console.print(
                f"{self._count()}: {task.description}, {task.completed:.0f} of {task.total:.0f} "
                f"updates, about {left} s left",
                soft_wrap=True,
            )

    def _count(self) -> str:
        sweep = next(task for task in self.bars.tasks if task.id == self.sweep)
        return f"{sweep.completed:.0f} of {sweep.total:.0f} runs done"


def _label(run: Run) -> str:
    return f"{run.method} on {run.task.name}, n = {run.task.size}, seed {run.seed}"
