"""What becomes of an error when answers are asked about again."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.figures import look
from benchmarks.lines import Cases, Line, answering
from benchmarks.published import NAMES, READING_SUMS, sums_curves


def error_by_times(title: str, cases: Cases) -> Figure | None:
    """Error of the whole against how often an expression was applied, a line a method.

    Beside the published curves of additions.
    """
    shown = [line for lines in answering(cases).values() for line in lines]
    known = [line for lines in cases.values() for line in lines]
    predicted = [line.rows["mse"].mean() for line in known if line.method.startswith("trivial")]
    times = sorted({_times(line.rows) for line in shown})
    if len(times) < 2:
        return None
    published = _published(title, times[-1])
    figure, axes = look.grid(title, 1, 2 if published else 1, height=2.8, sharey=True)
    panel = axes[0, 0]
    ours = {name: [line for line in shown if line.name == name] for name in _names(shown)}
    drawn = look.looks([*ours, *published])
    for name, lines in ours.items():
        points = pd.concat([line.done for line in lines])
        look.draw(panel, points, "times", "mse", label=name, **drawn[name])
    trivial = {_times(line.rows): line.trivial for line in known}
    panel.plot(times, [trivial[t] for t in times], "-.", label="best trivial", **look.GREY)
    for name, points in published.items():
        look.draw(axes[0, 1], points, "times", label=name, **drawn[name])
        axes[0, 1].set_title(f"as published, above {READING_SUMS:g}")
    errors = pd.concat([line.done["mse"] for line in shown] + [pd.Series(trivial.values())])
    look.error_axis(axes[0], errors, max(*trivial.values(), *predicted))
    for each in axes[0]:
        each.set(xlabel="times applied", xlim=(1, times[-1]))
        each.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.set_ylabel("mean squared error")
    look.legend(figure, axes[0])
    return figure


def _names(lines: list[Line]) -> list[str]:
    return [*dict.fromkeys(line.name for line in lines)]


def _times(rows: pd.DataFrame) -> int:
    return int(rows["times"].iloc[0])


def _published(title: str, most: int) -> dict[str, pd.DataFrame]:
    """The paper's own curves, of recursive addition of 20 x 20 matrices, where they can be read."""
    points = sums_curves(title).query("times <= @most and error > @READING_SUMS")
    curves = points.groupby("method", sort=False)
    return {NAMES.get(str(name), f"{name}, as published"): curve for name, curve in curves}
