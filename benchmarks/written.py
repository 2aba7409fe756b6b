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

    By the first method that learned and has all of them, of its first seed, its own sum going into
    the next one. None for anything but sums of sums, or where there is nothing to read.
    """
    every = [
        {line.name: line for line in lines(comparison, folder, case) if line.learns}
        for case in comparison.cases
    ]
    done = [{name for name, line in each.items() if len(line.done)} for each in every]
    names = [name for name in every[0] if all(name in each for each in done)]
    task = comparison.rows["task"].iloc[0]
    if len(every) < 2 or task != Addition.name or not names:
        return None
    rows = [_row(each[names[0]], folder) for each in every]
    return pd.DataFrame(rows) if all(rows) else None


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
