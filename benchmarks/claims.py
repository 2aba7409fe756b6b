"""What the paper claims, and whether a folder of results says the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.cases import comparisons
from benchmarks.lines import Line, lines
from benchmarks.metrics import Array, expected
from benchmarks.registry import task_named
from benchmarks.schema import read_results
from benchmarks.stats import interval, resampled_means

OURS = "irem"
BASELINES = ("feedforward", "recurrent", "iterative", "ponder")
TRAINED_STEPS = 10  # of the inner loop, in the paper
UPDATES = 10_000  # in the paper
QUOTED = (
    ("shortest_path", 15, "irem", 0.0464),
    ("shortest_path", 15, "recurrent", 0.1083),
    ("shortest_path", 15, "feedforward", 1.4089),
    ("addition", 20, "irem", 0.0021),
)
"""The errors of the paper that third parties quote: of graphs of so many nodes, or of matrices of
such a size at ``harder`` difficulty."""

YES, NO, UNCLEAR, UNTESTED = "reproduced", "not reproduced", "not clear", "not tested"


class Claim(NamedTuple):
    """A claim, what the results say of it, and that in a sentence."""

    claim: str
    verdict: str  # reproduced, not reproduced, not clear, not tested
    sentence: str


def claims(folder: Path) -> list[Claim]:
    """Each claim about every task that there are results of, at its hardest case."""
    results = read_results(folder, made=False)
    found = []
    for comparison in comparisons(results[results["selection"] == "last"]):
        cases = {case: _by_method(lines(comparison, folder, case)) for case in comparison.cases}
        where, methods = comparison.cases[-1], cases[comparison.cases[-1]]
        found += [
            claim(f"{comparison.title}, {where}", methods)
            for claim in (_errs_least, _more_steps_help, _stops_well)
        ]
        found += [claim for methods in cases.values() for claim in _quoted(methods)]
    return found


def _by_method(every: list[Line]) -> dict[str, Line]:
    """The first line of each method that has a result."""
    return {line.method: line for line in reversed(every) if len(line.done)}


def _errs_least(where: str, methods: dict[str, Line]) -> Claim:
    """Against every published baseline, paired by problems."""
    said = f"{where}: descent on a learned energy errs less than feedforward and recurrent networks"
    others = [methods[name] for name in BASELINES if name in methods]
    if OURS not in methods or not others:
        return Claim(said, UNTESTED, f"There is no result of {OURS}, or of no baseline.")
    ours = methods[OURS]
    best = min(others, key=lambda line: line.errors.mean())
    lows, highs = zip(*(_difference(other.errors, ours.errors) for other in others), strict=True)
    worst = others.index(best)
    return Claim(
        said,
        _verdict(min(lows), min(highs)),
        f"{OURS} errs {_of(ours)}; of {', '.join(line.method for line in others)} the best is "
        f"{best.method} with {_of(best)}: {_more(best, ours)} "
        f"[{lows[worst]:.3g}, {highs[worst]:.3g}] {_over(ours)}.",
    )


def _more_steps_help(where: str, methods: dict[str, Line]) -> Claim:
    """After all steps, against after as many as in training."""
    said = f"{where}: more steps than in training lower the error of descent on a learned energy"
    ours = methods.get(OURS)
    if ours is None or not ours.traces or ours.budget <= TRAINED_STEPS:
        return Claim(said, UNTESTED, f"There is no trace of {OURS} beyond {TRAINED_STEPS} steps.")
    trained = np.stack([trace.errors[TRAINED_STEPS] for trace in ours.traces])
    low, high = _difference(trained, ours.errors)
    return Claim(
        said,
        _verdict(low, high),
        f"{OURS} errs {trained.mean():.3g} after {TRAINED_STEPS} steps and {_of(ours)} after "
        f"{ours.budget}: it gains {trained.mean() - ours.errors.mean():.3g} "
        f"[{low:.3g}, {high:.3g}] {_over(ours)}.",
    )


def _stops_well(where: str, methods: dict[str, Line]) -> Claim:
    """Where the energy stops falling, against after all steps."""
    said = f"{where}: nothing is lost by stopping where the energy stops falling"
    ours = methods.get(OURS)
    if ours is None or not ours.traces or "stopped" not in ours.choices[0]:
        return Claim(said, UNTESTED, f"There is no trace of {OURS} with its energies.")
    stopped = ours.errors_by("stopped")
    used = [choices["stopped"].used for choices in ours.choices]
    steps = np.mean([expected(np.arange(len(each))[:, None], each).mean() for each in used])
    low, high = _difference(ours.errors, stopped)
    lost = stopped.mean() - ours.errors.mean()
    return Claim(
        said,
        YES if low >= 0 else NO if high < 0 else UNCLEAR,
        f"{OURS} errs {stopped.mean():.3g} where its energy stops falling, after {steps:.3g} steps "
        f"on average, and {_of(ours)} after {ours.budget}: it loses {lost:.3g} "
        f"[{-high:.3g}, {-low:.3g}] {_over(ours)}.",
    )


def _quoted(methods: dict[str, Line]) -> Iterator[Claim]:
    """Those published numbers that there is a result for: does our interval contain them?"""
    for task, size, method, published in QUOTED:
        line = methods.get(method)
        if line is None or not _is_of(line, task, size):
            continue
        low, high = interval(resampled_means([line.errors], np.random.default_rng(0))[0])
        verdict = UNCLEAR if np.isnan(low) else YES if low <= published <= high else NO
        yield Claim(
            f"{task}, n = {size}, harder: {method} errs {published}",
            verdict,
            f"{method} errs {_of(line)} [{low:.3g}, {high:.3g}], "
            f"{line.errors.mean() / published:.2g} times as much {_over(line)}.",
        )


def _is_of(line: Line, task: str, size: int) -> bool:
    row = line.rows.iloc[0]
    usual = all(name not in row["settings"] for name in vars(task_named(task)()))
    harder = row["difficulty"] == "harder"
    return bool(row["task"] == task and row["size"] == size and harder and usual)


def _difference(first: Array, second: Array) -> tuple[float, float]:
    """95 % interval of how much larger the first mean error is, paired by problems."""
    means = resampled_means([first, second], np.random.default_rng(0))
    return interval(means[0] - means[1])


def _verdict(low: float, high: float) -> str:
    """Of a difference that should be above 0."""
    return YES if low > 0 else NO if high < 0 else UNCLEAR


def _of(line: Line) -> str:
    return f"{line.errors.mean():.3g}"


def _more(line: Line, ours: Line) -> str:
    difference = line.errors.mean() - ours.errors.mean()
    return f"{abs(difference):.3g} {'more' if difference > 0 else 'less'}"


def _over(line: Line) -> str:
    """What its interval is over, and how long it was trained."""
    seeds = f"and {len(line.done)} seeds" if len(line.done) > 1 else "alone, of one seed"
    updates = int(line.rows["train_iterations"].max())
    return f"(95 %, over problems {seeds}; {updates:,} updates, the paper {UPDATES:,})"
