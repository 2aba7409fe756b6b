"""The least error that is known to be possible, task by task."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import NamedTuple

from baselines.programmatic import ALGORITHMS
from irem_core.tasks import Completion
from irem_core.types import Task


class BestKnown(NamedTuple):
    """A mean squared error over entries, and the standard uncertainty of its estimate."""

    mse: float
    uncertainty: float


FLOORS = Path(__file__).parent / "completion_floor.csv"
"""The error of the posterior mean on sets of test problems, as ``benchmarks.floor`` wrote it."""


def best_known(task: Task, problems: int) -> BestKnown | None:
    """On the first test problems of a task: 0 where its algorithm is exact, None if none is known.

    For completion an estimate, of those values of the task and those numbers of problems that it
    was made for.
    """
    if isinstance(task, Completion):
        return _floors().get((task, problems))
    return BestKnown(0.0, 0.0) if type(task) in ALGORITHMS else None


@cache
def _floors() -> dict[tuple[Completion, int], BestKnown]:
    with FLOORS.open() as file:
        return {
            (
                Completion(int(row["size"]), float(row["amplitude"]), int(row["rank"])),
                int(row["problems"]),
            ): BestKnown(float(row["mse"]), float(row["uncertainty"]))
            for row in csv.DictReader(file)
        }
