"""Error against what was spent: steps, operations, seconds."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from benchmarks.figures import look
from benchmarks.lines import Cases, Line, answering

COSTS = {"step": "steps", "flops": "operations", "seconds": "seconds"}


def error_against_steps(title: str, cases: Cases) -> Figure | None:
    """One panel a case: the error of the last answer after every step, a line a method.

    Mean over problems, and over seeds, with their range, where there are several. The best trivial
    predictor stands for all of them, beside the best known error. A method that is done by itself
    keeps its last answer, however many steps the others go on.
    """
    shown = answering(cases)
    if not shown:
        return None
    figure, axes = look.panels(title, len(shown))
    drawn = look.looks(line.name for lines in shown.values() for line in lines)
    curves, horizon = {}, _horizon(shown)
    for panel, (case, lines) in zip(axes, shown.items(), strict=True):
        for line in lines:
            curve = curves[case, line.name] = kept(line, "step", horizon)
            look.draw(panel, curve, "step", label=line.name, **drawn[line.name])
        look.references(panel, lines[0].rows.iloc[0])
        panel.set_title(case, parse_math=False)
    look.step_axis(axes, horizon)
    _errors(axes, list(curves.values()), shown)
    look.label(axes, "steps", "mean squared error")
    look.legend(figure, axes)
    return figure


def error_against_cost(title: str, cases: Cases) -> Figure | None:
    """The first case and the last, a row each: error against steps, operations and seconds."""
    shown = answering(cases)
    ends = [*dict.fromkeys([*shown][:1] + [*shown][-1:])]
    if not ends:
        return None
    figure, axes = look.grid(title, len(ends), len(COSTS), sharey="row")
    drawn = look.looks(line.name for lines in shown.values() for line in lines)
    for row, case in zip(axes, ends, strict=True):
        curves = []
        for panel, (cost, name) in zip(row, COSTS.items(), strict=True):
            most = max(line.curve[cost].max() for line in shown[case])
            for line in shown[case]:
                curve = kept(line, cost, most)
                curve = curve[curve[cost] > 0]  # the start costs nothing, which has no logarithm
                if curve.empty:  # nor has a copy, which takes no operations
                    continue
                curves.append(curve)
                look.draw(panel, curve, cost, label=line.name, **drawn[line.name])
            panel.set_xscale("log" if panel.lines else "linear")
            panel.xaxis.set_minor_formatter(NullFormatter())
            panel.set_xlabel(f"{name} a problem" if cost != "step" else name)
            look.references(panel, shown[case][0].rows.iloc[0])
        row[0].set_ylabel(f"error, {case}")
        _errors(list(row), curves, {case: shown[case]})
    look.legend(figure, axes.ravel())
    return figure


def kept(line: Line, cost: str, most: float) -> pd.DataFrame:
    """A curve against a cost; who is done keeps the answer, to the most that anybody spends."""
    curve = line.curve[[cost, "error", "seed"]]
    if cost != "step":
        curve = curve.assign(**{cost: curve.groupby(line.curve["step"])[cost].transform("mean")})
        curve = curve[curve[cost] > 0]  # the start costs nothing, and has no logarithm
    curve = curve[curve[cost] <= most]
    if not line.ends:
        return curve
    last = curve.groupby("seed").tail(1)
    return pd.concat([curve, last.assign(**{cost: most})], ignore_index=True).drop_duplicates()


def _horizon(shown: Cases) -> int:
    """The largest budget; of methods that are done by themselves alone, what they needed."""
    lines = [line for each in shown.values() for line in each]
    going_on = [line for line in lines if not line.ends]
    return int(max(line.curve["step"].max() for line in going_on or lines))


def _errors(axes: list[Axes], curves: list[pd.DataFrame], shown: Cases) -> None:
    trivial = [line.trivial for each in shown.values() for line in each]
    errors = pd.concat([*(curve["error"] for curve in curves), pd.Series(trivial)])
    starts = [curve["error"].iloc[0] for curve in curves]
    look.error_axis(axes, errors, max(starts + trivial))
