"""What the paper published, to hold our own numbers against; see the README beside this file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
"""The error with which a point of the curves on shortest path was read."""
READING_SUMS = 0.02
"""The same of the curves on recursive addition."""


class Published(NamedTuple):
    """A published error of a method, on matrices at ``harder`` difficulty or graphs.

    step: after which one; None if after the last. reading: how well it is known.
    """

    task: str
    size: int
    method: str
    step: int | None
    error: float
    reading: float = 0.0


QUOTED = (
    Published("shortest_path", 15, "irem", None, 0.0464),
    Published("shortest_path", 15, "recurrent", 1, 0.1083),  # the first step of the curve
    Published("shortest_path", 15, "feedforward", None, 1.4089),
    Published("addition", 20, "irem", None, 0.0021),
)
"""The errors of the paper that third parties quote."""


def shortest_path_curves() -> pd.DataFrame:
    """Columns method, nodes, step and error; point k of a curve is the error after k + 1 steps."""
    points = pd.read_csv(FOLDER / "shortest_path_error_by_step.csv")
    return points.assign(step=points["step"] + 1).rename(columns={"mse": "error"})


def recursion_curves() -> pd.DataFrame:
    """Columns method, times and error, of 20 x 20 addition; point k is after k + 1 of them."""
    points = pd.read_csv(FOLDER / "recursive_addition_error.csv")
    return points.assign(times=points["composed_operations"] + 1).rename(columns={"mse": "error"})


def curve_ends() -> Iterator[Published]:
    """The last point of every curve on shortest path."""
    for (name, nodes), curve in shortest_path_curves().groupby(["method", "nodes"]):
        method, last = NAMES[str(name)], curve.iloc[-1]
        step, error = int(last["step"]), float(last["error"])
        yield Published("shortest_path", int(nodes), method, step, error, READING[method])
