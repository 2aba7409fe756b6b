"""Nested problems written out in numbers: what a method made of them, one time after the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison
from benchmarks.shown import Shown, shown_sums


def written_out(comparison: Comparison, folder: Path) -> pd.DataFrame | None:
    """The first entry of the first problem's sums, a row for every time that one was added.

    By the first method that learned and has all of them, of its first seed, its own sum going into
    the next one. None for anything but sums of sums, or where there is nothing to read.
    """
    found = shown_sums(comparison, folder)
    return pd.DataFrame(map(_row, found)) if found else None


def _row(shown: Shown) -> dict[str, str]:
    first = shown.first_problem.sort_values("step")
    values = {kind: rows["values"].iloc[-1] for kind, rows in first.groupby("kind")}
    one, other = np.split(values["input"], 2)
    return {
        "times": shown.case,
        f"{shown.line.name} was asked": f"{one[0]:.4f} + {other[0]:.4f}",
        "it answered": f"{values['answer'][0]:.4f}",
        "right, all the way": f"{values['target'][0]:.4f}",
    }
