"""How the error on validation problems fell while the methods were trained."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.lines import Cases, Line
from benchmarks.training import CURVE


def training_curves(title: str, cases: Cases, folder: Path) -> Figure | None:
    """Validation error by update, a line a method: the mean over seeds and their range.

    Of a method that was tuned, with the learning rate that was chosen.
    """
    every = {line.name: line for lines in cases.values() for line in lines}
    found = {name: [*_curves(line, folder)] for name, line in every.items()}
    curves = {name: pd.concat(each) for name, each in found.items() if each}
    curves = {name: each for name, each in curves.items() if each["validation_mse"].gt(0).any()}
    if not curves:
        return None
    figure, ((panel,),) = look.grid(title, 1, 1, height=2.6)
    drawn = look.looks(every)
    for name, curve in curves.items():
        look.draw(panel, curve, "update", "validation_mse", label=name, **drawn[name])
    panel.set(xlabel="updates", ylabel="validation error", yscale="log")
    look.legend(figure, [panel])
    return figure


def _curves(line: Line, folder: Path) -> Iterator[pd.DataFrame]:
    """The curves of the runs that trained."""
    for row in line.rows.itertuples():
        path = folder / "runs" / str(row.run_key) / CURVE
        if path.exists():
            curve = pd.read_csv(path)
            chosen = curve["learning_rate"] == row.learning_rate
            finite = np.isfinite(curve["validation_mse"].astype(float))
            yield curve[chosen & finite].assign(seed=row.seed)
