"""Our results against the numbers and curves that were published."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison
from benchmarks.judging import (
    MARGIN,
    UNCLEAR,
    UNTESTED,
    UPDATES,
    Claim,
    between,
    number,
    over,
    same,
    traced,
    trained,
)
from benchmarks.lines import Line
from benchmarks.metrics import Array
from benchmarks.published import (
    NAMES,
    READING,
    READING_SUMS,
    quoted,
    shortest_path_curve,
    sums_curves,
)
from benchmarks.stats import mean_interval

CLAIM = "The published numbers"
DURATION = {"train_iterations", "validate_every"}
"""Settings that say how long a run trained, and not what."""


def numbers_as_published(methods: dict[str, Line]) -> Iterator[Claim]:
    """Those published numbers and curves over steps that there is a result for."""
    for line in methods.values():
        if not _is_usual(line):
            continue
        task = line.rows["task"].iloc[0]
        for error, step in quoted(task, line.size, line.method):
            if step is None or line.traces:
                errors = line.errors if step is None else line.errors_after(step)
                yield _held(_where(line), line, errors, error, step=step)
        curve = shortest_path_curve(task, line.size, line.method)
        if line.traces and len(curve):
            yield _along(line, curve)


def sums_as_published(
    comparison: Comparison, of_case: dict[str, dict[str, Line]]
) -> Iterator[Claim]:
    """After the most times that an expression was applied, and that there is a curve to."""
    known = comparison.rows[["case", "times"]].drop_duplicates()
    published = known.merge(sums_curves(comparison.title), on="times")
    ends = published.sort_values("times").drop_duplicates("method", keep="last")
    for end in ends.itertuples():
        line = of_case[end.case].get(NAMES.get(end.method, ""))
        if line is not None:
            where = f"{line.method}, {comparison.title}, applied {end.case}"
            yield _held(where, line, line.errors, end.error, READING_SUMS)


def _where(line: Line) -> str:
    row = line.rows.iloc[0]
    return f"{line.method}, {row['task']}, n = {line.size}, {row['difficulty']}"


def _is_usual(line: Line) -> bool:
    """Whether it is of the paper's protocol, but for how long it trained, and of its problems."""
    settings = json.loads(line.settings)
    graph, level = line.domain == "graph", line.rows["difficulty"].iloc[0]
    return {*settings} <= DURATION and (graph or level == "harder")


def _along(line: Line, curve: pd.Series) -> Claim:
    """Against a curve over the steps: its end, and by how much it is off on the way."""
    means = np.mean([trace.mean_errors for trace in line.traces], axis=0)
    curve = curve[curve.index < len(means)]
    ratios = means[curve.index] / curve
    step = int(curve.index[-1])
    errors = line.errors if step == line.budget else line.errors_after(step)
    held = _held(_where(line), line, errors, curve.iloc[-1], READING[line.method], step)
    way = (
        f" On the way between {ratios.min():.2g} (step {ratios.idxmin()}) and "
        f"{ratios.max():.2g} (step {ratios.idxmax()}) times as much."
    )
    return held._replace(sentence=held.sentence + way)


def _held(
    where: str,
    line: Line,
    errors: Array,
    published: float,
    reading: float = 0.0,
    step: int | None = None,
) -> Claim:
    """Errors [S, B] against a published one, of the end or after a step."""
    low, high = mean_interval(errors)
    allowed = max(MARGIN * published, reading)
    after = "" if step is None else f" after step {step}"
    known = f" (to {reading:g})" if reading else ""
    times = f", {number(errors.mean() / published)} times as much" if published else ""
    told = reading < published  # else whatever is small is the same
    verdict = same(low - published, high - published, allowed) if told else UNCLEAR
    return Claim(
        CLAIM,
        where,
        verdict if trained(line) == UPDATES else UNTESTED,
        f"Published{after}: {published:.5g}{known}. Ours: {number(errors.mean())}"
        f"{between(low, high)}{times}.",
        over(line, "problems" if errors.shape[1] == line.problems else traced(line)),
    )
