"""The energy around the end of a descent, with its path."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.landscape import PLANES
from benchmarks.lines import Cases
from benchmarks.shown import shown_landscape

SAID = {"principal": "principal directions of the descent", "random": "two random directions"}


def energy_landscape(title: str, cases: Cases, folder: Path) -> Figure | None:
    """The first problem of the last case, by the first method that has an energy, its first seed.

    Over two planes through the last answer; what is not in a plane is projected onto it.
    """
    shown = shown_landscape(cases, folder)
    if shown is None:
        return None
    return _draw(f"{title}, {shown.case}: energy of {shown.line.name}", shown.frame)


def _draw(title: str, frame: pd.DataFrame) -> Figure:
    figure, (axes,) = look.grid(title, 1, len(PLANES), height=2.8)
    lowest = frame["energy"].min()
    for panel, plane in zip(axes, PLANES, strict=True):
        here = frame[frame["plane"] == plane]
        grid = here[here["kind"] == "energy"].pivot(index="v", columns="u", values="energy")
        filled = panel.contourf(grid.columns, grid.index, grid - lowest, levels=20, cmap="viridis")
        figure.colorbar(filled, ax=panel, shrink=0.9, label="energy above the lowest")
        _path(panel, here)
        panel.set_title(SAID[plane])
        panel.set(aspect="equal", xticks=[], yticks=[])
    look.legend(figure, axes)
    return figure


def _path(panel: Axes, here: pd.DataFrame) -> None:
    path = here[here["kind"] == "path"].sort_values("step")
    target = here[here["kind"] == "target"]
    low, high = panel.get_xlim(), panel.get_ylim()
    panel.plot(path["u"], path["v"], "-o", color="white", markersize=2, linewidth=0.8)
    ends = {"start": path.iloc[0], "last answer": path.iloc[-1], "target": target.iloc[0]}
    for marker, (name, point) in zip("sX*", ends.items(), strict=True):
        panel.plot(
            *point[["u", "v"]],
            marker,
            color="white",
            markeredgecolor="black",
            markersize=7,
            label=name,
            linestyle="none",
            clip_on=False,
            in_layout=False,  # a target far outside would leave the panels no room
        )
    panel.set(xlim=low, ylim=high)
