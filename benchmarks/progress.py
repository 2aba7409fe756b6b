"""How far a sweep has come: bars on a terminal, a line now and then elsewhere.

Workers, in whatever process, write how far they are beside their run; the parent reads it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
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
)

from benchmarks.output import reader_is_gone
from benchmarks.runs import Evaluation, Run
from benchmarks.store import Store
from benchmarks.time_left import TimeLeft, Work, duration

BEAT = 0.5  # seconds between two looks
LINE = 15.0  # seconds between two lines where there is no terminal


class Heartbeat:
    """Writes the number of updates done to a file, at most once a beat.

    A reader finds a whole number in it at any time. ``with Heartbeat(path) as heartbeat``:
    afterwards nothing of it is left.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self.written = 0.0

    def __enter__(self) -> Self:
        self._remove()  # files of a run that was cut off
        return self

    def __exit__(self, *error: object) -> None:
        self._remove()

    def __call__(self, done: int) -> None:
        if time.monotonic() - self.written > BEAT:
            self.written = time.monotonic()
            self.part.write_text(str(done))
            self.part.replace(self.path)

    def _remove(self) -> None:
        for path in (self.path, self.part):
            path.unlink(missing_ok=True)


class Display:
    """Shows a sweep while it runs: ``with Display(store, jobs, workers) as display``.

    jobs: what is left of each job, whose runs are trained in one computation.
    workers: number of jobs that are executed at a time.
    """

    def __init__(self, store: Store, jobs: Sequence[Sequence[Work]], workers: int) -> None:
        self.store = store
        self.runs = {work.run.key: work.run for job in jobs for work in job}
        self.time_left = TimeLeft(jobs, store.frame(), workers)
        self.console = Console(stderr=True)
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self.sweep = self._bar("runs", len(self.runs))
        self.training: dict[str, Task] = {}
        self.trained: set[str] = set()
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
        if error is None:  # every run has been executed
            self.bars.update(self.sweep.id, left="")
        self.bars.stop()

    def finished(self, run: Run, evaluations: list[Evaluation], status: str) -> None:
        """Show that a run is done, well or not."""
        rows = [self.store.rows(run.key, e.key(run.task)) for e in evaluations]
        self.time_left.finish(run, [row for group in rows for row in group])
        self.bars.advance(self.sweep.id)
        if status != "ok" or not self.console.is_terminal:
            self.console.print(f"{self._count()}: {_label(run)} {status}", soft_wrap=True)

    def _watch(self) -> None:
        spoken = time.monotonic()
        while not self.over.wait(BEAT):
            self._read_heartbeats()
            if not self.console.is_terminal and time.monotonic() - spoken > LINE:
                spoken = time.monotonic()
                self._say()
                if reader_is_gone():  # as Ctrl-C, for whom would it go on?
                    os.kill(os.getpid(), signal.SIGINT)
                    return

    def _read_heartbeats(self) -> None:
        at_work = self.store.progress()
        for key in set(self.training) - set(at_work):
            self.bars.remove_task(self.training.pop(key).id)
            self.trained.add(key)
        for key, done in at_work.items():
            if key in self.runs:
                self._show(self.runs[key], done)
        self.bars.update(self.sweep.id, left=self._left())

    def _show(self, run: Run, done: int) -> None:
        """Show how many updates of a run are done."""
        self.trained.discard(run.key)  # a run whose process died is trained again
        if run.key not in self.training:
            self.training[run.key] = self._bar(_label(run), run.training.updates)
        task = self.training[run.key]
        self.bars.update(task.id, completed=done, left=_left_of(task))

    def _bar(self, label: str, total: int) -> Task:
        added = self.bars.add_task(label, total=total, left="")
        return next(task for task in self.bars.tasks if task.id == added)

    def _left(self) -> str:
        """The time left, in words; "at least" if the speed of some runs is not known yet."""
        training: dict[str, float | None] = dict.fromkeys(self.trained, 0.0)
        training |= {key: task.time_remaining for key, task in self.training.items()}
        seconds, complete = self.time_left.seconds(training)
        if seconds == 0:
            return ""
        return f"{'about' if complete else 'at least'} {duration(seconds)} left"

    def _say(self) -> None:
        """Print a line for the sweep and one for every run in training."""
        lines = [", ".join(filter(None, (self._count(), self._left())))]
        for task in self.training.values():
            at = f"{task.completed:.0f} of {task.total:.0f} updates"
            lines.append(", ".join(filter(None, (f"  {task.description}", at, _left_of(task)))))
        self.console.print("\n".join(lines), soft_wrap=True)

    def _count(self) -> str:
        return f"{self.sweep.completed:.0f} of {self.sweep.total:.0f} runs done"


def _left_of(task: Task) -> str:
    """Time left of a run in training, in words."""
    seconds = task.time_remaining
    return "" if seconds is None else f"about {duration(seconds)} left"


def _label(run: Run) -> str:
    return f"{run.method} on {run.task.name}, n = {run.task.size}, seed {run.seed}"
