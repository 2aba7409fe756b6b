"""Adaptive computation: whether harder problems get more steps, and whether they should."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.figures import look
from benchmarks.hardness import hardness
from benchmarks.lines import Cases, Line, answering, by_method, first_alone
from benchmarks.metrics import Array
from benchmarks.registry import task_named

RULES = {"stopped": "its energy stops falling", "halted_expected": "it halts"}
BINS = 5  # of a case
FEW = 10  # different numbers
FEWEST = 3  # problems of a point


def effort(title: str, cases: Cases) -> Figure | None:
    """Steps against how hard a problem is: left those taken, right those after which it errs least.

    A row a method that stops by itself, in its usual settings; a colour a case. A point is a fifth
    of its problems, or those that are equally hard where there are few different numbers, if they
    are three or more; or the whole case, where they differ by chance alone.
    """
    shown = [by_method(lines) for lines in answering(cases).values()]
    able = [line for lines in shown for line in lines.values() if _rule(line)]
    said = hardness(task_named(able[0].rows["task"].iloc[0])()) if able else None
    if said is None:
        return None
    points = pd.concat([_points(line, said.varies) for line in able])
    if points.empty:
        return None
    names = [*dict.fromkeys(points["line"])]
    figure, axes = look.grid(title + first_alone(able), len(names), 2, sharex=True, sharey="row")
    styles = look.marked(points["case"])
    for row, name in zip(axes, names, strict=True):
        of_one = points[points["line"] == name]
        for case, rows in of_one.groupby("case", sort=False):
            for panel, what in zip(row, ("taken", "best"), strict=True):
                panel.plot(rows["hardness"], rows[what], label=case, **styles[str(case)])
        row[0].set_ylabel(f"steps, {name}")
        row[0].set_title(f"until {RULES[of_one['rule'].iloc[0]]}")
        row[1].set_title("until it errs least")
    _hardness_axis(axes[-1], said.name, points["hardness"])
    look.legend(figure, axes.ravel())
    return figure


def _rule(line: Line) -> str:
    """The rule by which it stops, where it is known how hard the problems are."""
    known = bool(line.traces) and all(trace.hardness is not None for trace in line.traces)
    rules = [rule for rule in RULES if known and all(rule in each for each in line.choices)]
    return rules[0] if rules and line.selection == "last" else ""


def _alike(numbers: pd.Series, varies: bool) -> Array:
    """Which problems are one point."""
    if not varies:
        return np.zeros(len(numbers))
    few = numbers.nunique() <= FEW
    return (numbers if few else pd.qcut(numbers, BINS, labels=False, duplicates="drop")).to_numpy()


def _points(line: Line, varies: bool) -> pd.DataFrame:
    """Means over problems that are as hard, from the easiest on, all seeds together."""
    rule = _rule(line)
    every = []
    for trace, choices in zip(line.traces, line.choices, strict=True):
        of_problems = {"hardness": trace.hardness, "taken": choices[rule].steps}
        finite = np.where(np.isfinite(trace.errors), trace.errors, np.inf)
        every.append(pd.DataFrame(of_problems | {"best": finite.argmin(axis=0)}))
    problems = pd.concat(every).dropna()
    points = problems.groupby(_alike(problems["hardness"], varies))
    means = points.mean()[points.size() >= FEWEST]
    return means.assign(line=line.name, case=line.case, rule=rule)


def _hardness_axis(axes: list[Axes], name: str, numbers: pd.Series) -> None:
    for panel in axes:
        panel.set_xlabel(name)
        if numbers.min() > 0 and numbers.max() > 10 * numbers.min():
            panel.set_xscale("log")
        elif (numbers == numbers.round()).all():
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
