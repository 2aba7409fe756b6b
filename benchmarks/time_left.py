"""Estimates how long a sweep still takes, from the speeds that were measured."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.registry import METHODS
from benchmarks.runs import Evaluation, Planned, Run

SPEED_COLUMNS = [
    "task",
    "method",
    "size",
    "settings",
    "train_iterations",
    "train_seconds",
    "evaluation_seconds",
]
"""Columns of results.csv that ``expected_seconds`` reads."""


class Expected(NamedTuple):
    """Seconds that a run is expected to take."""

    training: float
    evaluation: float

    @property
    def total(self) -> float:
        """Seconds of both."""
        return self.training + self.evaluation


def expected_seconds(run: Run, evaluations: int, past: pd.DataFrame) -> Expected | None:
    """Estimate the time of a run by the median finished run of its method on its task.

    past: rows with ``SPEED_COLUMNS``. Returns None if none of them is of such a run.
    """
    like = past[(past["task"] == run.task.name) & (past["method"] == run.method)]
    like = like[like["size"] == run.task.size] if run.task.domain == "matrix" else like
    like = like.dropna(subset="evaluation_seconds")
    if like.empty:
        return None
    testing = float(evaluations * like["evaluation_seconds"].median())
    if not METHODS[run.method].learns:
        return Expected(0.0, testing)
    rates = like["settings"].map(lambda text: len(json.loads(text).get("learning_rates") or [1]))
    updates = rates * like["train_iterations"].clip(lower=1)  # one rate's stand in the results
    per_update = (like["train_seconds"] / updates).median()
    return Expected(float(per_update * run.training.updates), testing)


class TimeLeft:
    """Estimates the time left until every job of a sweep is done.

    Training that has begun takes as long as its measured speed says. A run that waits takes as long
    as the median finished run of its method on its task, in this sweep and in the earlier ones of
    the same folder.

    jobs: the runs of one job are trained in one computation.
    past: rows of results.csv that were there before.
    workers: number of jobs that are executed at a time.
    """

    def __init__(self, jobs: Sequence[Planned], past: pd.DataFrame, workers: int) -> None:
        self.jobs = list(jobs)
        self.workers = workers
        self.done: set[str] = set()
        self.expected: dict[str, Expected | None] = {}  # by run key
        self.rows: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
        self._add(past[SPEED_COLUMNS].to_dict("records"))

    def finish(self, run: Run, rows: list[dict[str, Any]]) -> None:
        """Record that a run is done, and with its rows how long it took."""
        self.done.add(run.key)
        self._add(rows)
        self.expected.clear()

    def seconds(self, training: Mapping[str, float | None]) -> tuple[float, bool]:
        """Seconds left, and whether they include every run that is left.

        A run whose speed was never measured is not included.

        training: for the keys of the runs that have begun, seconds until the end of their training;
            None if no speed has been measured yet.
        """
        jobs = [
            [self._left(run, evaluations, len(job), training) for run, evaluations in job]
            for job in self.jobs
        ]
        seconds = [sum(left for left in job if left is not None) for job in jobs]
        complete = all(left is not None for job in jobs for left in job)
        return max(sum(seconds) / self.workers, max(seconds, default=0.0)), complete

    def _left(
        self,
        run: Run,
        evaluations: list[Evaluation],
        together: int,
        training: Mapping[str, float | None],
    ) -> float | None:
        if run.key in self.done:
            return 0.0
        expected = self._expected(run, len(evaluations))
        left = training.get(run.key)
        if left is not None:
            return left / together + (expected.evaluation if expected else 0.0)
        return expected.total if expected else None

    def _expected(self, run: Run, evaluations: int) -> Expected | None:
        if run.key not in self.expected:
            rows = pd.DataFrame(self.rows[run.task.name, run.method], columns=SPEED_COLUMNS)
            self.expected[run.key] = expected_seconds(run, evaluations, rows)
        return self.expected[run.key]

    def _add(self, rows: list[dict[str, Any]]) -> None:
        for row in rows:
            self.rows[row["task"], row["method"]].append(row)


def duration(seconds: float) -> str:
    """A number of seconds in words, as in ``"45 s"``, ``"12 min"`` and ``"5.0 h"``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
