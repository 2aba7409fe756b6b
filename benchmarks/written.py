"""Nested problems written out in numbers: what a method made of them, one time after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison
from benchmarks.lines import Line, lines
from benchmarks.store import EXAMPLES, read_trace
from irem_core.tasks import Addition


def written_out(comparison: Comparison, folder: Path) -> pd.DataFrame | None:
    """The first entry of the first problem's sums, a row for every time that one was added.

    By the first method that learned, of its first seed, its own sum going into the next one. None
    for anything but sums, or where there is nothing to read.
    """
    every = [_line(lines(comparison, folder, case)) for case in comparison.cases]
    if any(line is None or line.rows["task"].iloc[0] != Addition.name for line in every):
        return None
    rows = [_row(line, folder) for line in every if line is not None]
    known = [row for row in rows if row]
    return pd.DataFrame(known) if known else None


def _line(every: list[Line]) -> Line | None:
    return next((line for line in every if line.learns and len(line.done)), None)


def _row(line: Line, folder: Path) -> dict[str, str]:
    examples = read_trace(folder, next(line.done.itertuples()), EXAMPLES)
    if examples is None:
        return {}
    first = examples[examples["problem"] == 0].sort_values("step")
    values = {kind: rows["values"].iloc[-1] for kind, rows in first.groupby("kind")}
    one, other = np.split(values["input"], 2)
    return {
        "times": line.case,
        f"{line.name} was asked": f"{one[0]:.4f} + {other[0]:.4f}",
        "it answered": f"{values['answer'][0]:.4f}",
        "right, all the way": f"{values['target'][0]:.4f}",
    }
