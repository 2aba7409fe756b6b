"""One problem: the answer and where it is wrong, as the steps go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.animation import FuncAnimation
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from benchmarks.figures import look
from benchmarks.lines import Cases
from benchmarks.metrics import Array
from benchmarks.shown import example_steps, picture_steps, shown_answers


def answers(title: str, cases: Cases, folder: Path) -> Figure | None:
    """The first problem of the last case, by the first method that iterates, of its first seed.

    Above the answers, last the target; below the absolute errors. The colours go over the range of
    the target, and of the error at the start.
    """
    shown = shown_answers(cases, folder)
    return None if shown is None else _draw(f"{title}, {shown.label}", shown.first_problem)


def animation(title: str, cases: Cases, folder: Path) -> FuncAnimation | None:
    """The same problem, picture by picture: the answer, its error, the target."""
    shown = shown_answers(cases, folder)
    return None if shown is None else _animate(f"{title}, {shown.label}", shown.first_problem)


def square(values: Array) -> Array:
    """A matrix that was flattened row by row; float64, in which no float32 squared overflows."""
    side = round(len(values) ** 0.5)
    return np.asarray(values, dtype=np.float64).reshape(side, side)


def _animate(title: str, example: pd.DataFrame) -> FuncAnimation:
    target, given = _target_and_answers(example)
    figure, (axes,) = look.grid(title, 1, 3, height=1.8)
    first, error, right = axes
    colours: Any = {"vmin": target.min(), "vmax": target.max(), "cmap": "viridis"}
    worst = np.abs(given.iloc[0] - target).max()
    pictures = [
        first.imshow(given.iloc[0], **colours),
        error.imshow(np.abs(given.iloc[0] - target), vmin=0, vmax=worst, cmap="Greys"),
    ]
    right.imshow(target, **colours)
    for panel, name in zip(axes, ("answer", "error", "target"), strict=True):
        panel.set(xticks=[], yticks=[], xlabel=name)

    def show(step: int) -> list[AxesImage]:
        pictures[0].set_data(given[step])
        pictures[1].set_data(np.abs(given[step] - target))
        first.set_title("start" if step == 0 else f"step {step}")
        error.set_title(f"{((given[step] - target) ** 2).mean():.2g}")
        return pictures

    return FuncAnimation(figure, show, example_steps(given.index.max()))


def _target_and_answers(example: pd.DataFrame) -> tuple[Array, pd.Series]:
    """The target, and the answers by their steps."""
    target = square(example[example["kind"] == "target"]["values"].iloc[0])
    return target, example[example["kind"] == "answer"].set_index("step")["values"].map(square)


def _draw(title: str, example: pd.DataFrame) -> Figure:
    target, given = _target_and_answers(example)
    steps = picture_steps(given.index.max())
    figure, axes = look.grid(title, 2, len(steps) + 1, height=1.1)
    low, high = target.min(), target.max()
    worst = np.abs(given.iloc[0] - target).max()
    for step, above, below in zip(steps, axes[0], axes[1], strict=False):
        answer = above.imshow(given[step], vmin=low, vmax=high, cmap="viridis")
        error = below.imshow(np.abs(given[step] - target), vmin=0, vmax=worst, cmap="Greys")
        above.set_title("start" if step == 0 else f"step {step}")
        below.set_title(f"{((given[step] - target) ** 2).mean():.2g}", fontsize=7)
    axes[0, -1].imshow(target, vmin=low, vmax=high, cmap="viridis")
    axes[0, -1].set_title("target")
    for panel in axes.ravel():
        panel.set(xticks=[], yticks=[])
        panel.spines[:].set_visible(False)
    axes[0, 0].set_ylabel("answer")
    axes[1, 0].set_ylabel("error")
    figure.colorbar(answer, ax=axes[0], shrink=0.9)
    figure.colorbar(error, ax=axes[1], shrink=0.9)
    return figure
