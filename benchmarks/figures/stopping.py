"""When to stop: at a fixed step, when the method says so, or when it is best."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.figures import look
from benchmarks.lines import Cases, Line, answering, by_method, first_alone
from benchmarks.metrics import Array, expected

PRICES = np.logspace(-3, 1, 25)  # of all steps, in trivial errors
RULES = {
    "lowest_energy": "lowest energy",
    "stopped": "energy stops falling",
    "halted_expected": "halts, expected",
    "halted_mode": "halts, most likely",
}


def when_to_stop(title: str, cases: Cases) -> Figure | None:
    """A row for the first case and the last, a column for every method that can decide to stop.

    Each in its usual settings.

    The oracle stops every problem where its error and the price of its steps are least in sum; its
    line is that of all prices.
    """
    ends = [*dict.fromkeys([*cases][:1] + [*cases][-1:])]
    shown = answering(cases)
    usual = {case: by_method(shown.get(case, [])).values() for case in ends}
    able = {case: [line for line in lines if _decides(line)] for case, lines in usual.items()}
    every = [line for lines in able.values() for line in lines]
    names = [*dict.fromkeys(line.name for line in every)]
    if not names:
        return None
    title += first_alone(every)
    figure, axes = look.grid(title, len(ends), len(names), sharex=True, sharey="row")
    for row, case in zip(axes, ends, strict=True):
        of_case = {line.name: line for line in able[case]}
        for panel, name in zip(row, names, strict=True):
            if name in of_case:
                _draw(panel, of_case[name])
        row[0].set_ylabel(f"error, {case}")
        row[0].set_yscale("log")
    for panel, name in zip(axes[0], names, strict=True):
        panel.set_title(name, parse_math=False)
    for panel in axes[-1]:
        panel.set_xlabel("mean steps")
    look.step_axis(axes.ravel(), max(line.budget for line in every))
    look.legend(figure, axes.ravel())
    return figure


def _decides(line: Line) -> bool:
    return any(rule in choices for choices in line.choices for rule in RULES)


def _draw(panel: Axes, line: Line) -> None:
    """Means over seeds and those problems that have a trace."""
    fixed = pd.concat(
        pd.DataFrame({"error": trace.errors.mean(axis=1)}).rename_axis("step").reset_index()
        for trace in line.traces
    )
    fixed = fixed[np.isfinite(fixed["error"])]
    look.draw(panel, fixed, "step", label="a fixed step", color="0.35", linestyle="-")
    prices = PRICES * line.trivial
    oracle = np.mean([_oracle(trace.errors, prices) for trace in line.traces], axis=0)
    panel.plot(*oracle, label="oracle", color="0.35", linestyle=":")
    for place, (rule, name) in enumerate(RULES.items()):
        points = [
            _point(trace.errors, choices[rule].answered, choices[rule].used)
            for trace, choices in zip(line.traces, line.choices, strict=True)
            if rule in choices
        ]
        if points:
            colour = look.PALETTE[place]
            mean = pd.DataFrame(points).mean()
            look_of = {"color": colour, "markersize": 6, "clip_on": False, "label": name}
            panel.plot(*mean, look.MARKERS[place], **look_of)


def _point(errors: Array, answered: Array, used: Array) -> tuple[float, float]:
    """Mean steps that a rule used, and the mean error of what it answered with."""
    steps = np.arange(len(used), dtype=np.float64)[:, None]
    count = len(answered)
    return float(expected(steps, used).mean()), float(expected(errors[:count], answered).mean())


def _oracle(errors: Array, prices: Array) -> Array:
    """Mean steps and mean errors of the best step of each problem, for every price: [2, prices]."""
    share = np.arange(len(errors))[:, None] / max(len(errors) - 1, 1)
    best = [(errors + price * share).argmin(axis=0) for price in prices]
    problems = np.arange(errors.shape[1])
    return np.array([[step.mean() for step in best], [errors[s, problems].mean() for s in best]])
