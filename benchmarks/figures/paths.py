"""The shortest path from a start to a goal, as the answers say it, over the steps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.figures.answers import square
from benchmarks.lines import Cases
from benchmarks.metrics import Array
from benchmarks.shown import picture_steps, shown_paths


def shortest_paths(title: str, cases: Cases, folder: Path) -> Figure | None:
    """The first problem of the first case, by the first method that iterates, of its first seed.

    From the node where the right way has the most edges to its goal. One goes to the node through
    which the answer says that the rest is shortest, until one is at the goal or at a node again.
    """
    shown = shown_paths(cases, folder)
    return None if shown is None else _draw(f"{title}, {shown.label}", shown.first_problem)


def way(lengths: Array, distances: Array, start: int, goal: int) -> list[int]:
    """The nodes from start to goal by lengths [n, n] of edges and distances [n, n], by an answer.

    It ends early where a node would be there twice.
    """
    nodes = [start]
    while nodes[-1] != goal:
        here = nodes[-1]
        through = lengths[here] + np.where(np.arange(len(lengths)) == goal, 0, distances[:, goal])
        through[here] = np.inf
        following = int(through.argmin())
        if following in nodes:
            break
        nodes.append(following)
    return nodes


def _draw(title: str, example: pd.DataFrame) -> Figure:
    by_kind = dict(iter(example.groupby("kind")))
    lengths, target = (square(by_kind[kind]["values"].iloc[0]) for kind in ("input", "target"))
    answers = by_kind["answer"].set_index("step")["values"].map(square)
    start, goal = _farthest(lengths, target)
    right = way(lengths, target, start, goal)
    steps = picture_steps(answers.index.max())
    figure, (axes,) = look.grid(title, 1, len(steps), height=1.5)
    for panel, step in zip(axes, steps, strict=True):
        found = way(lengths, answers[step], start, goal)
        _graph(panel, len(lengths), right, found)
        panel.set_title("start" if step == 0 else f"step {step}")
        arrived = f"length {_length(lengths, found):.3f}" if found[-1] == goal else "lost"
        panel.set_xlabel(arrived, fontsize=7)
    look.legend(figure, axes, f"the right way has length {target[start, goal]:.3f}")
    return figure


def _farthest(lengths: Array, target: Array) -> tuple[int, int]:
    pairs = [(i, j) for i in range(len(lengths)) for j in range(len(lengths)) if i != j]
    return max(pairs, key=lambda pair: len(way(lengths, target, *pair)))


def _length(lengths: Array, nodes: list[int]) -> float:
    return float(sum(lengths[i, j] for i, j in pairwise(nodes)))


def _graph(panel: Axes, count: int, right: list[int], found: list[int]) -> None:
    """Nodes on a circle."""
    angles = 2 * np.pi * np.arange(count) / count
    places = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    panel.plot(*places[right].T, color="0.75", linewidth=4, label="right", solid_capstyle="round")
    panel.plot(*places[found].T, color=look.PALETTE[0], linewidth=1.2, label="by the answer")
    panel.plot(*places.T, "o", color="0.35", markersize=2.5)
    panel.plot(*places[right[0]], "s", color=look.PALETTE[2], markersize=5, label="from")
    panel.plot(*places[right[-1]], "*", color=look.PALETTE[3], markersize=8, label="to")
    panel.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.25, 1.25), ylim=(-1.25, 1.25))
    panel.spines[:].set_visible(False)
