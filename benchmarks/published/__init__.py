"""What the paper published, to hold our own numbers against; see the README beside this file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

FOLDER = Path(__file__).parent
NAMES = {
    "IREM": "irem",
    "Feedforward": "feedforward",
    "Recurrent": "recurrent",
    "Iterative Feedforward": "iterative",
}
"""Ours for the methods of the curves; what "Programmatic" is is not sure."""
READING = {"irem": 0.003, "recurrent": 0.01}
"""How well the points of the curves on shortest path could be read."""
READING_SUMS = 0.02
"""The same of the curves on recursive addition."""
QUOTED = (
    ("shortest_path", 15, "irem", None, 0.0464),
    ("shortest_path", 15, "recurrent", 1, 0.1083),  # the first step of the published curve
    ("shortest_path", 15, "feedforward", None, 1.4089),
    ("addition", 20, "irem", None, 0.0021),
)
"""The errors of the paper that third parties quote: of graphs of so many nodes, or of matrices of
such a size at ``harder`` difficulty; after a step, or in the end."""


def quoted(task: str, size: int, method: str) -> list[tuple[float, int | None]]:
    """Errors that are quoted, and after which step; None is the last one."""
    about = (task, size, method)
    return [(error, step) for *of, step, error in QUOTED if (*of,) == about]


@cache
def shortest_path_curves() -> pd.DataFrame:
    """Columns method, nodes, step and error; point k of a curve is the error after k + 1 steps."""
    points = pd.read_csv(FOLDER / "shortest_path_error_by_step.csv")
    return points.assign(step=points["step"] + 1).rename(columns={"mse": "error"})


def shortest_path_curve(task: str, size: int, method: str) -> pd.Series:
    """The errors of one of ours by step, empty where there is no such curve."""
    points = shortest_path_curves()
    ours = points["method"].map(NAMES) == method
    here = ours & (points["nodes"] == size) & (task == "shortest_path")
    return points[here].set_index("step")["error"]


def sums_curves(title: str) -> pd.DataFrame:
    """Columns method, times and error; empty but for the comparison that the curves are of.

    Point k of a curve is taken to be the error of k + 1 additions.
    """
    points = pd.read_csv(FOLDER / "recursive_addition_error.csv")
    points = points.assign(times=points["composed_operations"] + 1)
    points = points.rename(columns={"mse": "error"})[["method", "times", "error"]]
    return points if title == "addition(_, a), n=20" else points[:0]
