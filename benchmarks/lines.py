"""One line of a table or figure: the runs of a method that differ in their seeds alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison, at_largest_budget, settings_order
from benchmarks.evaluation import Choice, Trace, last_errors, selections
from benchmarks.metrics import Array, at_cost
from benchmarks.registry import METHODS, learns, task_named
from benchmarks.store import ERRORS, STARTS, TRACE, read_trace


@dataclass(frozen=True)
class Line:
    """What a line did in one case.

    rows: of results at the largest step budget, a row a seed.
    budgets: of results at all step budgets.
    traces: of the seeds that finished, maybe of the first problems alone; all or none: then there
        are the means of the rows alone.
    last_errors: for each trace the ``last_errors`` of all problems.
    """

    name: str
    case: str
    rows: pd.DataFrame
    budgets: pd.DataFrame
    traces: list[Trace]
    last_errors: list[pd.DataFrame]
    folder: Path

    @property
    def method(self) -> str:
        return str(self.rows["method"].iloc[0])

    @property
    def settings(self) -> str:
        """What differs from the protocol, as JSON."""
        return str(self.rows["settings"].iloc[0])

    @property
    def learns(self) -> bool:
        return learns(self.method)

    @property
    def selection(self) -> str:
        return str(self.rows["selection"].iloc[0])

    @property
    def domain(self) -> str:
        return str(task_named(self.rows["task"].iloc[0]).domain)

    @property
    def trivial(self) -> float:
        """The error of the best trivial predictor on the same problems."""
        return float(self.rows["mse_trivial"].iloc[0])

    @property
    def one_pass(self) -> float:
        """The error of one linear pass on the same problems; NaN where none is known."""
        return float(self.rows["mse_row"].iloc[0])

    @property
    def starts_by_itself(self) -> bool:
        """Whether no other method's answer is what it starts from."""
        return '"start":' not in self.settings

    @property
    def iterates(self) -> bool:
        """Whether it learned, and goes on as long as it may."""
        return self.learns and not self.ends

    @property
    def ends(self) -> bool:
        """Whether it is done by itself, however many steps it may take."""
        return self.method in METHODS and METHODS[self.method].ends

    @property
    def budget(self) -> int:
        return int(self.rows["steps"].iloc[0])

    @property
    def done(self) -> pd.DataFrame:
        """The rows of the seeds that finished, with finite errors."""
        return self.rows[self.rows["status"] == "ok"]

    @cached_property
    def starts(self) -> list[pd.DataFrame]:
        """What every start came to, of all seeds or none; none where there is one start alone."""
        return _frames(self.done, self.folder, STARTS)

    @cached_property
    def choices(self) -> list[dict[str, Choice]]:
        """What every rule picks, of every seed."""
        return [selections(trace, self.budget) for trace in self.traces]

    @cached_property
    def errors(self) -> Array:
        """Of its answers, [S, B]; [S, 1], their means, where there is no trace."""
        if not self.traces:
            return self.done["mse"].to_numpy()[:, None]
        return self.errors_by(self.selection)

    @property
    def size(self) -> int:
        return int(self.rows["size"].iloc[0])

    @property
    def problems(self) -> int:
        """How many it was tested on."""
        return int(self.rows["problems"].iloc[0])

    @property
    def traced(self) -> int:
        """How many of them, the first, have a trace."""
        return self.traces[0].errors.shape[1] if self.traces else 0

    def errors_after(self, step: int) -> Array:
        """Of the answers after a step, [S, traced]."""
        return np.stack([trace.errors[step] for trace in self.traces])

    def errors_by(self, rule: str) -> Array:
        """Of the answers that a rule picks in the end, [S, B]."""
        return np.stack([errors[rule].to_numpy() for errors in self.last_errors])

    @property
    def spends(self) -> bool:
        """Whether the operations of its steps are known, of all seeds, and it takes steps."""
        costs = [trace.flops for trace in self.traces]
        return bool(costs) and all(len(cost) > 1 and np.isfinite(cost).all() for cost in costs)

    def errors_at(self, spent: float, cost: str = "flops") -> Array:
        """Of the last answers that are there when so much is spent, [S, B], from the traces.

        cost: ``flops`` or ``seconds``, of a problem.
        """
        costs = [getattr(each, cost) for each in self.traces]
        pairs = zip(self.traces, costs, strict=True)
        return np.stack([at_cost(each.errors, own, [spent])[0] for each, own in pairs])

    @cached_property
    def curve(self) -> pd.DataFrame:
        """The mean error and cost after every step of every seed, or only after every budget.

        Columns step, flops, seconds, error and seed. A method that is done by itself, and an error
        that is not finite, end the curve.
        """
        if not self.traces:
            of_rows = self.budgets[self.budgets["status"] == "ok"]
            named = of_rows.drop(columns="error").rename(columns={"steps": "step", "mse": "error"})
            return named[["step", "flops", "seconds", "error", "seed"]]
        parts = [
            pd.DataFrame(
                {
                    "step": np.arange(len(trace.errors)),
                    "flops": trace.flops,
                    "seconds": trace.seconds,
                    "error": trace.mean_errors,
                    "seed": seed,
                }
            )
            for seed, trace in zip(self.done["seed"], self.traces, strict=True)
        ]
        curves = pd.concat(parts, ignore_index=True)
        return curves[np.isfinite(curves["error"])]


def paired_at(one: Line, other: Line, spent: float, cost: str = "flops") -> tuple[Array, Array]:
    """``errors_at`` of two lines, on those problems of which both have a trace."""
    first, second = one.errors_at(spent, cost), other.errors_at(spent, cost)
    both = min(one.traced, other.traced) if one.problems == other.problems else None
    return first[:, :both], second[:, :both]


def first_alone(lines: Iterable[Line]) -> str:
    """What to add to a title where traces are shown and hold the first problems alone."""
    counts = {line.traced for line in lines if 0 < line.traced < line.problems}
    return f", the first {min(counts)} problems" if counts else ""


Cases = dict[str, list[Line]]
"""Every case of a comparison with its lines."""


def answering(cases: Cases) -> Cases:
    """Those lines that are not trivial and have a result, and the cases that have such lines."""
    shown = {
        case: [line for line in lines if len(line.done) and not line.method.startswith("trivial")]
        for case, lines in cases.items()
    }
    return {case: lines for case, lines in shown.items() if lines}


def by_method(every: list[Line]) -> dict[str, Line]:
    """Of each method that has a result the line whose settings differ least from the protocol's.

    That is the one with the fewest settings that differ.
    """
    usual = sorted(every, key=lambda line: settings_order(line.settings), reverse=True)
    return {line.method: line for line in usual if len(line.done)}


def picked_by(rule: str, every: Iterable[Line]) -> list[Line]:
    """Those lines whose answers this rule picks, a ``selection`` of results."""
    return [line for line in every if line.selection == rule]


def lines(comparison: Comparison, folder: Path, case: str) -> list[Line]:
    """Every line of a case in the order of the comparison, those that failed among them."""
    here = comparison.rows[comparison.rows["case"] == case].sort_values("seed", kind="stable")
    return list(_lines(here, folder, case))


def _lines(rows: pd.DataFrame, folder: Path, case: str) -> Iterator[Line]:
    ended = at_largest_budget(rows)
    for name in rows["line"].unique():
        of_one = ended[ended["line"] == name]
        done = of_one[of_one["status"] == "ok"]
        traces, ends = _traced(done, folder)
        yield Line(str(name), case, of_one, rows[rows["line"] == name], traces, ends, folder)


def _traced(done: pd.DataFrame, folder: Path) -> tuple[list[Trace], list[pd.DataFrame]]:
    """The traces of rows, of the first problems that all of them have, and the errors in the end.

    Nothing where one is not there, or is of the first problems without the errors of all.
    """
    traces = [Trace.from_frame(frame) for frame in _frames(done, folder, TRACE)]
    cut = [i for i, trace in enumerate(traces) if trace.means is not None]
    kept = dict(zip(cut, _frames(done.iloc[cut], folder, ERRORS), strict=False))
    if len(kept) < len(cut):
        return [], []
    ends = [
        kept[i] if i in kept else last_errors(trace, len(trace.errors) - 1)
        for i, trace in enumerate(traces)
    ]
    counts = {trace.errors.shape[1] for trace in traces}
    return [trace.first(min(counts)) if len(counts) > 1 else trace for trace in traces], ends


def _frames(done: pd.DataFrame, folder: Path, name: str) -> list[pd.DataFrame]:
    """A frame of every row, or none if one is not there."""
    frames = []
    for row in done.itertuples():
        if (frame := read_trace(folder, row, name)) is None:
            return []
        frames.append(frame)
    return frames
