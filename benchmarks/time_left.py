"""Estimates how long a sweep still takes, from the speeds that were measured."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.registry import METHODS
from benchmarks.runs import Run

SPEED_COLUMNS = [
    "task",
    "method",
    "size",
    "settings",
    "train_iterations",
    "train_seconds",
    "evaluation_seconds",
]
"""Columns of results.csv that ``measured_speed`` reads."""


class Speed(NamedTuple):
    """Median seconds of the finished runs of a method on a task."""

    update: float
    evaluation: float

    def seconds(self, updates: int, evaluations: int) -> float:
        """Seconds that a run is expected to take."""
        return updates * self.update + evaluations * self.evaluation


def measured_speed(run: Run, past: pd.DataFrame) -> Speed | None:
    """Measure the speed of a run's method on its task, which for matrices includes the size.

    past: rows with ``SPEED_COLUMNS``. Returns None if none of them is of a finished run.
    """
    like = past[(past["task"] == run.task.name) & (past["method"] == run.method)]
    like = like[like["size"] == run.task.size] if run.task.domain == "matrix" else like
    like = like.dropna(subset="evaluation_seconds")
    if like.empty:
        return None
    evaluation = float(like["evaluation_seconds"].median())
    if not METHODS[run.method].learns:
        return Speed(0.0, evaluation)
    rates = like["settings"].map(lambda text: len(json.loads(text).get("learning_rates") or [1]))
    updates = rates * like["train_iterations"].clip(lower=1)  # one rate's stand in the results
    return Speed(float((like["train_seconds"] / updates).median()), evaluation)


class Work(NamedTuple):
    """What is left to do of a run: so many updates and evaluations."""

    run: Run
    updates: int
    evaluations: int


class TimeLeft:
    """Estimates the time left until every job of a sweep is done.

    Training that has begun takes as long as its measured speed says. A run that waits takes as long
    as the median finished run of its method on its task, in this sweep and in the earlier ones of
    the same folder. Several threads may call it.

    jobs: what is left of each job, whose runs are trained in one computation.
    past: rows of results.csv that were there before.
    workers: number of jobs that are executed at a time.
    """

    def __init__(self, jobs: Sequence[Sequence[Work]], past: pd.DataFrame, workers: int) -> None:
        self.jobs = jobs
        self.workers = workers
        self.done: set[str] = set()
        self.speeds: dict[tuple[str, str, int], Speed | None] = {}
        self.rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self.lock = threading.Lock()
        for row in past[SPEED_COLUMNS].to_dict("records"):
            self.rows[row["task"], row["method"]].append(row)

    def finish(self, run: Run, rows: list[dict[str, Any]]) -> None:
        """Record that a run is done, and with its rows how long it took."""
        with self.lock:
            self.done.add(run.key)
            self.rows[run.task.name, run.method] += rows
            for kind in [kind for kind in self.speeds if kind[:2] == (run.task.name, run.method)]:
                del self.speeds[kind]

    def seconds(self, training: Mapping[str, float | None]) -> tuple[float, bool]:
        """Seconds left, and whether they include all that is left.

        Training or evaluations whose speed was never measured are not included.

        training: for the keys of the runs that have begun, seconds until the end of their training;
            None if no speed has been measured yet.
        """
        with self.lock:
            parts = [
                [self._left(work, len(job), training.get(work.run.key)) for work in job]
                for job in self.jobs
            ]
        seconds = [sum(left for left, _ in job) for job in parts]
        complete = all(known for job in parts for _, known in job)
        return max(sum(seconds) / self.workers, max(seconds, default=0.0)), complete

    def _left(self, work: Work, together: int, training: float | None) -> tuple[float, bool]:
        """Seconds left of a run, and whether they include all that is left of it.

        together: number of runs that are trained in one computation.
        """
        if work.run.key in self.done:
            return 0.0, True
        speed = self._speed(work.run)
        if training is None:
            if speed is None:
                return 0.0, False
            training = work.updates * speed.update
        else:
            training /= together
        evaluation = work.evaluations * speed.evaluation if speed else 0.0
        return training + evaluation, speed is not None

    def _speed(self, run: Run) -> Speed | None:
        kind = (run.task.name, run.method)
        key = (*kind, run.task.size)
        if key not in self.speeds:
            rows = pd.DataFrame(self.rows[kind], columns=SPEED_COLUMNS)
            self.speeds[key] = measured_speed(run, rows)
        return self.speeds[key]


def duration(seconds: float) -> str:
    """A number of seconds in words, as in ``"45 s"``, ``"12 min"`` and ``"5.0 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
