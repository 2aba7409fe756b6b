"""What the paper claims, and whether results say the same: ``python -m benchmarks.claims DIR``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer

from benchmarks.cases import Comparison, comparisons
from benchmarks.cli import Plugins, run_command
from benchmarks.hardness import hardness
from benchmarks.lines import Line, by_method, lines, paired_at
from benchmarks.metrics import Array, rank_correlation
from benchmarks.published import (
    NAMES,
    READING,
    READING_SUMS,
    quoted,
    shortest_path_curve,
    sums_curves,
)
from benchmarks.registry import load_plugins, task_named
from benchmarks.schema import read_results
from benchmarks.stats import interval, resampled_correlation, resampled_means
from irem_core.checkpoint import write_whole

NAME = "claims.md"
HEAD = """\
# What the paper claims, and what these results say

Reproduced: the 95 % interval of the difference lies on the side of the claim; not reproduced: on
the other side; not clear: on both. A published number is reproduced, or ours is lower or higher,
where the interval lies within or beyond what is said to be the same. Of every task its hardest
case; published numbers at theirs.
"""
OURS = "irem"
STRUCTURED, WITHOUT_ENERGY = "irem_structured", "recurrent_structured"
BASELINES = ("feedforward", "recurrent", "iterative", "ponder")
TRAINED_STEPS = 10  # of the inner loop, in the paper
UPDATES = 10_000  # in the paper
CORRELATED = 0.1  # at least, to be told from nothing
MARGIN = 0.1  # of an error, that is no difference
DURATION = {"train_iterations", "validate_every"}
"""Settings that say how long a run trained, and not what."""

YES, NO, UNCLEAR, UNTESTED = "reproduced", "not reproduced", "not clear", "not tested"
LOWER, HIGHER = "lower than published", "higher than published"


class Claim(NamedTuple):
    """A claim, what the results say of it, and that in a sentence."""

    claim: str
    verdict: str  # YES, NO, UNCLEAR or UNTESTED; of a published number also LOWER or HIGHER
    sentence: str


def claims(folder: Path) -> list[Claim]:
    """Each claim about every task that there are results of, at its hardest case."""
    results = read_results(folder, made=False)
    found = []
    for comparison in comparisons(results[results["selection"] == "last"]):
        if comparison.nested:
            found += _recursion(comparison, folder)
            continue
        cases = {case: by_method(lines(comparison, folder, case)) for case in comparison.cases}
        where, methods = comparison.cases[-1], cases[comparison.cases[-1]]
        if comparison.aside:
            found += _energy_helps(f"{comparison.title}, {where}", methods)
            continue
        found += [
            _errs_least(f"{comparison.title}, {where}", methods, _tried(comparison, where)),
            _more_steps_help(f"{comparison.title}, {where}", methods),
            _stops_well(f"{comparison.title}, {where}", methods),
        ]
        found += _energy_helps(f"{comparison.title}, {where}", methods)
        found += _thinks_longer(comparison.title, cases)
        found += [claim for methods in cases.values() for claim in _quoted(methods)]
    return found


def write_claims(folder: Path) -> str:
    """Write claims.md, every claim with its verdict and why; return it."""
    said = [
        fill(f"- **{each.verdict}**: {each.claim}. {each.sentence}", 100, subsequent_indent="  ")
        for each in sorted(claims(folder), key=lambda each: each.verdict == UNTESTED)
    ]
    text = "\n".join([HEAD, *said]) + "\n"
    write_whole(folder / NAME, text.encode())
    return text


def _tried(comparison: Comparison, case: str) -> set[str]:
    """The methods that were run on a case, with a result or without."""
    return {*comparison.rows.loc[comparison.rows["case"] == case, "method"]}


def _errs_least(where: str, methods: dict[str, Line], tried: set[str]) -> Claim:
    """Against every published baseline, paired by problems; not clear while one was not run."""
    said = f"{where}: descent on a learned energy errs less than every published baseline"
    others = [methods[name] for name in BASELINES if name in methods]
    if OURS not in methods or not others:
        return Claim(said, UNTESTED, f"There is no result of {OURS}, or of no baseline.")
    ours = methods[OURS]
    best = min(others, key=lambda line: line.errors.mean())
    gains = {line.method: _difference(line.errors, ours.errors) for line in others}
    lows, highs = zip(*gains.values(), strict=True)
    failed = [name for name in BASELINES if name in tried and name not in methods]
    unknown = [name for name in BASELINES if name not in tried]
    verdict = _verdict(float(np.min(lows)), float(np.min(highs)))  # unclear, where one is nan
    gained = best.errors.mean() - ours.errors.mean()
    return Claim(
        said,
        UNCLEAR if unknown and verdict == YES else verdict,
        f"{OURS} errs {_of(ours)}; of {', '.join(gains)} the best is {best.method} with "
        f"{_of(best)}: {_change(gained, *gains[best.method], 'more', 'less')}{_over(ours)}."
        + (f" No finite result of {', '.join(failed)}." if failed else "")
        + (f" Not run: {', '.join(unknown)}." if unknown else ""),
    )


def _more_steps_help(where: str, methods: dict[str, Line]) -> Claim:
    """After all steps, against after as many as in training, of the same runs."""
    said = f"{where}: more steps than in training lower the error of descent on a learned energy"
    ours = methods.get(OURS)
    if ours is None or not ours.traces:
        return Claim(said, UNTESTED, f"There is no trace of {OURS}.")
    trained = json.loads(ours.rows["settings"].iloc[0]).get("inner_steps", TRAINED_STEPS)
    if ours.budget <= trained:
        return Claim(said, UNTESTED, f"There is no trace of {OURS} beyond {trained} steps.")
    before, after = ours.errors_after(trained), ours.errors_after(ours.budget)
    low, high = _within(before - after)
    gained = before.mean() - after.mean()
    means = np.mean([trace.mean_errors for trace in ours.traces], axis=0)
    return Claim(
        said,
        _verdict(low, high),
        f"{OURS} errs {before.mean():.3g} after {trained} steps and {after.mean():.3g} after "
        f"{ours.budget}: {_change(gained, low, high, 'less', 'more')}{_over(ours, _traced(ours))}. "
        f"Over all problems the least is {means.min():.3g}, after step {means.argmin()}.",
    )


def _stops_well(where: str, methods: dict[str, Line]) -> Claim:
    """Where the energy stops falling, against after all steps, of the same runs."""
    said = f"{where}: little is lost by stopping where the energy stops falling"
    ours = methods.get(OURS)
    if ours is None or not ours.traces or "stopped" not in ours.choices[0]:
        return Claim(said, UNTESTED, f"There is no trace of {OURS} with its energies.")
    stopped = ours.errors_by("stopped")
    steps = np.mean([choices["stopped"].steps for choices in ours.choices])
    low, high = _within(stopped - ours.errors)
    lost = stopped.mean() - ours.errors.mean()
    allowed = MARGIN * ours.errors.mean()
    return Claim(
        said,
        _verdict(allowed - high, allowed - low),
        f"{OURS} errs {stopped.mean():.3g} where its energy stops falling, after {steps:.3g} steps "
        f"on average over {_traced(ours)}, and {_of(ours)} after {ours.budget}: "
        f"{_change(lost, low, high, 'more', 'less')}{_over(ours)}; little is up to "
        f"{MARGIN:.0%} of the error.",
    )


def _energy_helps(where: str, methods: dict[str, Line]) -> list[Claim]:
    """Not the paper's claim, but asked of any energy: whether the network needs one.

    At equal operations and at equal seconds, as many as the one has spent in the end that spends
    less.
    """
    pair = [methods[name] for name in (STRUCTURED, WITHOUT_ENERGY) if name in methods]
    if not pair:
        return []
    said = f"{where} (not of the paper): an energy errs less than the same network without"
    if len(pair) < 2 or not all(line.spends for line in pair):
        lacking = f"There is no trace of {STRUCTURED} or {WITHOUT_ENERGY}."
        return [Claim(said, UNTESTED, lacking)]
    differences, sentences = [], []
    for cost, name in (("flops", "operations"), ("seconds", "seconds")):
        spent = min(getattr(trace, cost)[-1] for line in pair for trace in line.traces)
        ours, theirs = paired_at(pair[0], pair[1], spent, cost)
        low, high = _difference(theirs, ours)
        gained = theirs.mean() - ours.mean()
        differences.append((low, high))
        sentences.append(
            f"{spent:.2g} {name} a problem {STRUCTURED} errs {ours.mean():.3g} and "
            f"{WITHOUT_ENERGY} {theirs.mean():.3g}, {_change(gained, low, high, 'more', 'less')}"
        )
    lows, highs = zip(*differences, strict=True)
    trained = [line.done[["parameters", "train_seconds"]].mean() for line in pair]
    spent_on = " and ".join(
        f"{each['parameters']:,.0f} parameters in {each['train_seconds']:.3g} s" for each in trained
    )
    sentence = (
        f"At {'; at '.join(sentences)}{_over(pair[0], _traced(pair[0]))}. They trained {spent_on}."
    )
    return [Claim(said, _verdict(min(lows), max(highs)), sentence)]


def _thinks_longer(title: str, cases: dict[str, dict[str, Line]]) -> list[Claim]:
    """Within the hardest case, and over all cases, which differ in what makes them hard."""
    ours = {case: methods[OURS] for case, methods in cases.items() if OURS in methods}
    where = [*cases][-1]
    return [
        _effort(f"{title}, {where}", [ours[where]] if where in ours else [], alone=True),
        _effort(f"{title}, all cases", [*ours.values()], alone=False),
    ]


def _effort(where: str, ours: list[Line], alone: bool) -> Claim:
    """By the rank correlation over problems of how hard they are and when they stop."""
    said = f"{where}: harder problems get more steps before the energy stops falling"
    known = hardness(task_named(ours[0].rows["task"].iloc[0])()) if ours else None
    if known is None or any(not _says_effort(line) for line in ours):
        return Claim(said, UNTESTED, f"There is no trace of {OURS} that says it.")
    if alone and not known.varies:
        return Claim(said, UNTESTED, f"By their {known.name} they differ by chance alone.")
    if not alone and len(ours) < 2:
        return Claim(said, UNTESTED, "There is one case alone.")
    numbers = np.concatenate([line.traces[0].hardness for line in ours])  # of the same problems
    steps = [np.stack([each["stopped"].steps for each in line.choices]) for line in ours]
    seeds = min(map(len, steps))
    taken = np.concatenate([each[:seeds] for each in steps], axis=1)  # [S, B]
    (found,) = rank_correlation(numbers[:, None], taken.mean(axis=0)[:, None])
    if np.isnan(found):
        return Claim(said, UNTESTED, f"All have the same {known.name}, or stop at the same step.")
    low, high = interval(resampled_correlation(numbers, taken, np.random.default_rng(0)))
    rises = bool(np.all(np.diff([each.mean() for each in steps]) >= 0))  # from case to case
    verdict = _verdict(low - CORRELATED, high - CORRELATED)
    return Claim(
        said,
        verdict if rises or verdict != YES else UNCLEAR,
        f"After {', '.join(f'{each.mean():.3g}' for each in steps)} steps on average. The rank "
        f"correlation with the {known.name} is {found:.2f}{_between(low, high)} (95 %, "
        f"over {_traced(ours[0])}{' and seeds' * (seeds > 1)}); more is above "
        f"{CORRELATED}, and in no harder case fewer steps.",
    )


def _says_effort(line: Line) -> bool:
    known = all(trace.hardness is not None for trace in line.traces)
    return bool(line.traces) and known and "stopped" in line.choices[0]


def _recursion(comparison: Comparison, folder: Path) -> list[Claim]:
    """After the most times that an expression was applied, and that there is a curve to."""
    of_case = {case: by_method(lines(comparison, folder, case)) for case in comparison.cases}
    last = comparison.cases[-1]
    tried = _tried(comparison, last)
    errs_least = _errs_least(f"{comparison.title}, applied {last}", of_case[last], tried)
    known = comparison.rows[["case", "times"]].drop_duplicates()
    published = known.merge(sums_curves(comparison.title), on="times")
    ends = published.sort_values("times").drop_duplicates("method", keep="last")
    pairs = [(of_case[end.case].get(NAMES.get(end.method, "")), end) for end in ends.itertuples()]
    return [errs_least] + [
        _held(f"{comparison.title}, applied {end.case}", line, line.errors, end.error, READING_SUMS)
        for line, end in pairs
        if line is not None
    ]


def _quoted(methods: dict[str, Line]) -> Iterator[Claim]:
    """Those published numbers and curves that there is a result for."""
    for line in methods.values():
        if not _is_usual(line):
            continue
        where = f"{line.rows['task'].iloc[0]}, n = {line.size}, {line.rows['difficulty'].iloc[0]}"
        for error, step in quoted(line.rows["task"].iloc[0], line.size, line.method):
            if step is None or line.traces:
                errors = line.errors if step is None else line.errors_after(step)
                yield _held(where, line, errors, error, step=step)
        curve = shortest_path_curve(line.rows["task"].iloc[0], line.size, line.method)
        if line.traces and len(curve):
            yield _along(where, line, curve)


def _is_usual(line: Line) -> bool:
    """Whether it is of the paper's protocol, but for how long it trained, and of its problems."""
    settings = json.loads(line.rows["settings"].iloc[0])
    graph, level = line.domain == "graph", line.rows["difficulty"].iloc[0]
    return {*settings} <= DURATION and (graph or level == "harder")


def _along(where: str, line: Line, curve: pd.Series) -> Claim:
    """Against a curve over the steps: its end, and by how much it is off on the way."""
    means = np.mean([trace.mean_errors for trace in line.traces], axis=0)
    curve = curve[curve.index < len(means)]
    ratios = means[curve.index] / curve
    step = int(curve.index[-1])
    errors = line.errors if step == line.budget else line.errors_after(step)
    held = _held(where, line, errors, curve.iloc[-1], READING[line.method], step)
    way = (
        f" On the way to there between {ratios.min():.2g} (step {ratios.idxmin()}) and "
        f"{ratios.max():.2g} (step {ratios.idxmax()}) times as much as the published curve."
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
    low, high = _within(errors)
    allowed = max(MARGIN * published, reading)
    after = "" if step is None else f" after step {step}"
    over = _over(line, "problems" if errors.shape[1] == line.problems else _traced(line))
    times = f", {errors.mean() / published:.3g} times as much" if published else ""
    known = f"; that could be read to {reading:g}" if reading else ""
    trained = _updates(line) == UPDATES
    told = reading < published  # else whatever is small is the same
    verdict = _same(low - published, high - published, allowed) if told else UNCLEAR
    return Claim(
        f"{where}: {line.method} errs {published:.4g}{after}, as published",
        verdict if trained else UNTESTED,
        f"{line.method} errs {errors.mean():.3g}{_between(low, high)}{over}{times}; the same is up "
        f"to {allowed:.2g} more or less, after as many updates{known}.",
    )


def _within(errors: Array) -> tuple[float, float]:
    """95 % interval of the mean of errors [S, B], or of differences of the same runs."""
    (means,) = resampled_means([errors], np.random.default_rng(0))
    return interval(means)


def _difference(first: Array, second: Array) -> tuple[float, float]:
    """95 % interval of how much larger the first mean error is, paired by problems."""
    means = resampled_means([first, second], np.random.default_rng(0))
    return interval(means[0] - means[1])


def _verdict(low: float, high: float) -> str:
    """Of a difference that should be above 0."""
    return YES if low > 0 else NO if high < 0 else UNCLEAR


def _same(low: float, high: float, allowed: float) -> str:
    """Of a difference that should be none."""
    if -allowed < low and high < allowed:
        return YES
    return HIGHER if low > allowed else LOWER if high < -allowed else UNCLEAR


def _of(line: Line) -> str:
    return f"{line.errors.mean():.3g}"


def _change(difference: float, low: float, high: float, above: str, below: str) -> str:
    """A difference with its interval in words, where nothing is negative that need not be."""
    if difference < 0:
        return _change(-difference, -high, -low, below, above)
    return f"{difference:.3g} {above}{_between(low, high)}"


def _between(low: float, high: float) -> str:
    return "" if np.isnan(low) else f" [{low:.3g}, {high:.3g}]"


def _updates(line: Line) -> int:
    return int(line.rows["train_iterations"].max())


def _traced(line: Line) -> str:
    """The problems of its traces, which may be the first alone."""
    few = line.traced and line.traced < line.problems
    return f"the first {line.traced} of {line.problems} problems" if few else "problems"


def _over(line: Line, problems: str = "problems") -> str:
    """What its interval is over, and how long it was trained."""
    seeds = f"and {len(line.done)} seeds" if len(line.done) > 1 else "alone, of one seed"
    over = f"95 %, over {problems} {seeds}" if line.traces else "no interval: there are no traces"
    return f" ({over}; {_updates(line):,} updates, the paper {UPDATES:,})"


def judge(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    plugins: Plugins = None,
) -> None:
    """Hold a folder's results against what the paper claims; write claims.md, and print it."""
    load_plugins(plugins)
    print(write_claims(folder))


if __name__ == "__main__":
    run_command(judge)
