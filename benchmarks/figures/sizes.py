"""What becomes of a method on problems larger than those it was trained on."""

from __future__ import annotations

from textwrap import fill
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.figures.steps import kept
from benchmarks.lines import Cases, Line, answering
from benchmarks.published import shortest_path_curves


def error_by_size(title: str, cases: Cases) -> Figure | None:
    """One panel a method, a line a size; and one for each published curve, if there are any.

    The dotted line of a colour is the best trivial predictor at that size.
    """
    by_line = {name: of_one for name, of_one in _by_line(cases).items() if of_one[0].learns}
    every = [line for of_one in by_line.values() for line in of_one]
    sizes = {line.size: line for line in every}
    if len(sizes) < 2:
        return None
    horizon = max(int(line.curve["step"].max()) for line in every)
    shown = {
        name: {line.size: kept(line, "step", horizon) for line in of_one}
        for name, of_one in by_line.items()
    } | _published(title, [*sizes], horizon)
    figure, axes = look.panels(title, len(shown))
    colours = dict(zip(sizes, sns.color_palette("viridis", len(sizes)), strict=True))
    styles = dict(zip(sizes, look.STYLES * len(sizes), strict=False))
    for panel, (name, curves) in zip(axes, shown.items(), strict=True):
        for size, line in sizes.items():
            of_size: dict[str, Any] = {"color": colours[size], "linestyle": styles[size]}
            if size in curves:
                look.draw(panel, curves[size], "step", label=f"{size} nodes", **of_size)
            panel.axhline(line.trivial, color=colours[size], linewidth=0.8, linestyle=look.DOTTED)
        panel.set_title(fill(name, look.TITLE), parse_math=False)
    look.step_axis(axes, horizon)
    errors = pd.concat([curve["error"] for curves in shown.values() for curve in curves.values()])
    look.error_axis(axes, errors, _start(every))
    look.label(axes, "steps", "mean squared error")
    look.legend(figure, axes, "dotted: best trivial predictor of the size")
    return figure


def extrapolation(title: str, cases: Cases) -> Figure | None:
    """By size, left the error, right the step after which it is least.

    That of the classical algorithm is the mean number of rounds that it needs. An error of more
    than ten times the start leaves the picture.
    """
    by_line = _by_line(cases)
    every = [line for of_one in by_line.values() for line in of_one]
    best = pd.Series({line.size: line.trivial for line in every}).sort_index()
    one_pass = pd.Series({line.size: line.one_pass for line in every}).sort_index()
    if len(best) < 2:
        return None
    figure, ((left, right),) = look.grid(title, 1, 2, height=2.6)
    drawn = look.marked(by_line)
    errors = [best]
    for name, of_one in by_line.items():
        points = pd.concat([_point(line) for line in of_one], ignore_index=True)
        if of_one[0].method != "programmatic":
            look.draw(left, points, "size", label=name, **drawn[name])
            errors.append(points["error"])
        if of_one[0].iterates or not of_one[0].learns:
            look.draw(right, points, "size", "steps", label=name, **drawn[name])
    left.plot(best.index, best, label="best trivial", linestyle=look.DASHED, **look.GREY)
    if one_pass.notna().any():
        left.plot(one_pass, label="one linear pass", linestyle=look.DASH_DOTTED, **look.GREY)
        errors.append(one_pass.dropna())
    left.set(xlabel="nodes", ylabel="mean squared error", xticks=best.index)
    look.error_axis([left], pd.concat(errors), _start(every))
    right.set(xlabel="nodes", ylabel="steps to the least error, or done", xticks=best.index)
    right.set_yscale("symlog", linthresh=1)
    right.set_ylim(bottom=-0.2)
    look.legend(figure, [left, right], "errors above the frame: more than ten times the start")
    return figure


def _by_line(cases: Cases) -> dict[str, list[Line]]:
    """The lines of graphs, those of one name in all sizes together."""
    by_line: dict[str, list[Line]] = {}
    for lines in answering(cases).values():
        for line in lines:
            if line.domain == "graph":
                by_line.setdefault(line.name, []).append(line)
    return by_line


def _start(lines: list[Line]) -> float:
    """The largest error that any of them begins with."""
    return float(max(line.curve["error"].iloc[0] for line in lines))


def _point(line: Line) -> pd.DataFrame:
    """Of every seed the error, and after which step it is least or the method is done by itself."""
    done = line.done
    curve = line.curve.sort_values("error", kind="stable").drop_duplicates("seed")
    least = done["seed"].map(curve.set_index("seed")["step"])
    steps = done["steps_used"] if line.ends else least
    return pd.DataFrame({"size": done["size"], "error": done["mse"], "steps": steps})


def _published(title: str, sizes: list[int], horizon: int) -> dict[str, dict[int, pd.DataFrame]]:
    """The paper's own curves on shortest path."""
    if title != "shortest_path":
        return {}
    points = shortest_path_curves().query("nodes in @sizes and step <= @horizon")
    return {
        f"{method}, as published": {int(n): curve for n, curve in of_one.groupby("nodes")}
        for method, of_one in points.groupby("method")
    }
