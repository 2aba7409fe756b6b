"""What the paper claims, and whether results say the same: ``python -m benchmarks.claims DIR``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer

from benchmarks import as_published
from benchmarks.as_published import numbers_as_published, sums_as_published
from benchmarks.cases import Comparison, comparisons
from benchmarks.cli import Plugins, run_command
from benchmarks.hardness import hardness
from benchmarks.judging import (
    MARGIN,
    NO,
    UNCLEAR,
    UNTESTED,
    YES,
    Claim,
    above,
    all_above,
    below,
    change,
    number,
    one_seed,
    over,
    traced,
)
from benchmarks.lines import Line, by_method, lines, paired_at, picked_by
from benchmarks.measures import SHOWN
from benchmarks.metrics import rank_correlation
from benchmarks.registry import load_plugins, task_named
from benchmarks.schema import read_results
from benchmarks.stats import (
    change_interval,
    correlation_interval,
    difference_interval,
    ratio_interval,
)
from irem_core.checkpoint import write_whole

NAME = "claims.md"
HEAD = """\
# What the paper claims, and what these results say

The verdicts are drawn from 95 % intervals: reproduced or not reproduced where the whole interval
says so, not clear where it says both. With one seed they are about one checkpoint; another seed may
differ by more than the interval. The paper's harder graphs have 15 nodes; larger ones are in its
figure of shortest path alone.
"""
ERRS_LEAST = "Descent on a learned energy errs less than every published baseline"
MORE_STEPS = "More steps than in training lower the error"
STOPS_WELL = "Little is lost by stopping where the energy stops falling"
THINKS_LONGER = "Harder problems get more steps before the energy stops falling"
ENERGY_HELPS = "Not the paper's: an energy errs less than the same network without one"
CORRELATED = 0.1  # at least, to be told from nothing
MEANING = {
    ERRS_LEAST: """Than each of them, on the same problems; than one that halts by itself also where
it halts. On graphs `ponder` is our own network: none that halts was released for them.""",
    MORE_STEPS: f"By more than {MARGIN:.0%} of the error after as many steps as in training.",
    STOPS_WELL: f"Little is up to {MARGIN:.0%} of the error after all steps.",
    THINKS_LONGER: f"""Within a case: the rank correlation, over problems, of how hard one is and
when it stops is above {CORRELATED}. Over all cases: it is, and none takes fewer steps than an
easier one.""",
    as_published.CLAIM: f"""Reproduced: at most {MARGIN:.0%} more or less, or as much as the points
of a figure could not be told apart, after as many updates.""",
    ENERGY_HELPS: "At as many operations, and at as many seconds, as the cheaper one spends.",
}
"""Every claim in order, and when it holds."""
OURS = "irem"
STRUCTURED, WITHOUT_ENERGY = "irem_structured", "recurrent_structured"
BASELINES = ("feedforward", "recurrent", "iterative", "ponder")
TRAINED_STEPS = 10  # of the inner loop, in the paper


class Section(NamedTuple):
    """What there is to say of one claim.

    over: what most of its cases have in common; what others have instead stands with them.
    rows: each case, its verdict and why.
    untested: why some cases could not be tested.
    """

    claim: str
    meaning: str
    over: str
    rows: pd.DataFrame
    untested: list[str]


def claims(folder: Path) -> list[Claim]:
    """Each claim about every task and case that there are results of."""
    results = read_results(folder, made=False)
    return [
        claim
        for comparison in comparisons(results[results["selection"].isin(SHOWN)])
        for claim in _claims(comparison, folder)
    ]


def sections(found: list[Claim]) -> list[Section]:
    """Claims by what they claim, in the order of MEANING."""
    by_claim = {text: [each for each in found if each.claim == text] for text in MEANING}
    return [_section(claim, of_one) for claim, of_one in by_claim.items() if of_one]


def write_claims(folder: Path) -> str:
    """Write claims.md, every claim with its verdict and why; return it."""
    text = "\n".join([HEAD, *map(_markdown, sections(claims(folder)))])
    write_whole(folder / NAME, text.encode())
    return text


def _section(claim: str, found: list[Claim]) -> Section:
    tested = [each for each in found if each.verdict != UNTESTED]
    (usual, _), *_ = Counter(each.over for each in tested).most_common(1) or [("", 0)]
    rows = [
        (each.where, each.verdict, each.sentence + f" ({each.over})" * (each.over != usual))
        for each in tested
    ]
    lacking: dict[str, list[str]] = {}
    for each in found:
        if each.verdict == UNTESTED:
            lacking.setdefault(each.sentence, []).append(each.where)
    return Section(
        claim,
        " ".join(MEANING[claim].split()),
        usual,
        pd.DataFrame(rows, columns=["case", "verdict", "why"]),
        [f"{'; '.join(cases)}. {why}" for why, cases in lacking.items()],
    )


def _markdown(section: Section) -> str:
    over = f" In brackets: {section.over}." * bool(section.over)
    table = section.rows.to_markdown(index=False, disable_numparse=True)
    untested = [f"- {UNTESTED}: {each}" for each in section.untested]
    parts = [f"## {section.claim}", fill(section.meaning + over, 100)]
    parts += [table] * bool(len(section.rows)) + ["\n".join(untested)] * bool(untested)
    return "\n\n".join(parts) + "\n"


def _claims(comparison: Comparison, folder: Path) -> Iterator[Claim]:
    every = {case: lines(comparison, folder, case) for case in comparison.cases}
    cases = {case: by_method(picked_by("last", shown)) for case, shown in every.items()}
    if comparison.nested:
        last = comparison.cases[-1]
        where = f"{comparison.title}, applied {last}"
        yield _errs_least(where, every[last])
        yield from sums_as_published(comparison, cases)
        return
    for case, methods in cases.items():
        where = f"{comparison.title}, {case}"
        yield from _energy_helps(where, methods)
        if comparison.aside:
            continue
        yield _errs_least(where, every[case])
        yield _more_steps_help(where, methods)
        yield _stops_well(where, methods)
        yield from numbers_as_published(methods)
    if not comparison.aside:
        yield from _thinks_longer(comparison.title, cases)


def _errs_least(where: str, every: list[Line]) -> Claim:
    """Paired by problems; not clear while a baseline was not run that might be better.

    A baseline that halts by itself is to be beaten both where it ends and where it halts.
    """
    shown = [by_method(picked_by(rule, every)) for rule in SHOWN]
    ours = shown[0].get(OURS)
    others = [methods[name] for methods in shown for name in BASELINES if name in methods]
    if ours is None or not others:
        lacking = f"There is no result of {OURS}, or of no baseline."
        return Claim(ERRS_LEAST, where, UNTESTED, lacking)
    best = min(others, key=lambda line: line.errors.mean())
    gains = {line.name: difference_interval(line.errors, ours.errors) for line in others}
    tried = {line.method for line in every}
    finite = {line.method for line in others}
    failed = [name for name in BASELINES if name in tried - finite]
    unknown = [name for name in BASELINES if name not in tried]
    verdict = all_above(gains.values())
    gained = best.errors.mean() - ours.errors.mean()
    return Claim(
        ERRS_LEAST,
        where,
        UNCLEAR if unknown and verdict == YES else verdict,
        f"{OURS} errs {_of(ours)}, {best.name}{' as the best' * (len(others) > 1)} {_of(best)}: "
        f"{change(gained, *gains[best.name], 'more', 'less')}{one_seed(ours, best)}."
        + (f" No finite result of {', '.join(failed)}." if failed else "")
        + (f" Not run: {', '.join(unknown)}." if unknown else ""),
        over(ours),
    )


def _more_steps_help(where: str, methods: dict[str, Line]) -> Claim:
    """After all steps, against after as many as in training, of the same runs."""
    ours = methods.get(OURS)
    if ours is None or not ours.traces:
        return Claim(MORE_STEPS, where, UNTESTED, f"There is no trace of {OURS}.")
    steps = json.loads(ours.settings).get("inner_steps", TRAINED_STEPS)
    if ours.budget <= steps:
        lacking = f"There is no trace of {OURS} beyond {steps} steps."
        return Claim(MORE_STEPS, where, UNTESTED, lacking)
    before, after = ours.errors_after(steps), ours.errors_after(ours.budget)
    low, high = change_interval(before - after)
    gained = before.mean() - after.mean()
    means = np.mean([trace.mean_errors for trace in ours.traces], axis=0)
    return Claim(
        MORE_STEPS,
        where,
        NO if high < 0 else below(1 - MARGIN, *ratio_interval(after, before)),
        f"{number(before.mean())} after {steps} steps, {number(after.mean())} after {ours.budget}: "
        f"{change(gained, low, high, 'less', 'more')}, {abs(gained) / before.mean():.1%} of it. "
        f"Over all problems the least is {number(means.min())}, after step {means.argmin()}."
        f"{_beside_trivial(ours)}",
        over(ours, traced(ours)),
    )


def _stops_well(where: str, methods: dict[str, Line]) -> Claim:
    """Where the energy stops falling, against after all steps, of the same runs."""
    ours = methods.get(OURS)
    if ours is None or not ours.traces or "stopped" not in ours.choices[0]:
        return Claim(STOPS_WELL, where, UNTESTED, f"There is no trace of {OURS} with its energies.")
    stopped = ours.errors_by("stopped")
    steps = np.mean([choices["stopped"].steps for choices in ours.choices])
    low, high = change_interval(stopped - ours.errors)
    lost = stopped.mean() - ours.errors.mean()
    few = f" (of {traced(ours)})" * (ours.traced < ours.problems)
    return Claim(
        STOPS_WELL,
        where,
        YES if high < 0 else below(1 + MARGIN, *ratio_interval(stopped, ours.errors)),
        f"{number(stopped.mean())} after {steps:.3g} steps{few}, {_of(ours)} after {ours.budget}: "
        f"{change(lost, low, high, 'more', 'less')}.{_beside_trivial(ours)}",
        over(ours),
    )


def _energy_helps(where: str, methods: dict[str, Line]) -> list[Claim]:
    """Whether the network needs an energy; asked of results that have either."""
    pair = [methods[name] for name in (STRUCTURED, WITHOUT_ENERGY) if name in methods]
    if not pair:
        return []
    if len(pair) < 2 or not all(line.spends for line in pair):
        lacking = f"There is no trace of {STRUCTURED} or {WITHOUT_ENERGY}."
        return [Claim(ENERGY_HELPS, where, UNTESTED, lacking)]
    differences, sentences = [], []
    for cost, name in (("flops", "operations"), ("seconds", "seconds")):
        spent = min(getattr(trace, cost)[-1] for line in pair for trace in line.traces)
        ours, theirs = paired_at(pair[0], pair[1], spent, cost)
        low, high = difference_interval(theirs, ours)
        gained = theirs.mean() - ours.mean()
        differences.append((low, high))
        sentences.append(
            f"{spent:.2g} {name} a problem {STRUCTURED} errs {number(ours.mean())} and "
            f"{WITHOUT_ENERGY} {number(theirs.mean())}, {change(gained, low, high, 'more', 'less')}"
            f"{one_seed(*pair)}"
        )
    spent_on = " and ".join(
        f"{each['parameters']:,.0f} parameters in {each['train_seconds']:.3g} s"
        for each in (line.done[["parameters", "train_seconds"]].mean() for line in pair)
    )
    sentence = f"At {'; at '.join(sentences)}. They trained {spent_on}."
    verdict = all_above(differences)
    return [Claim(ENERGY_HELPS, where, verdict, sentence, over(pair[0], traced(pair[0])))]


def _thinks_longer(title: str, cases: dict[str, dict[str, Line]]) -> Iterator[Claim]:
    """Within each case, and over all cases, which differ in what makes them hard."""
    ours = {case: methods[OURS] for case, methods in cases.items() if OURS in methods}
    for case in cases:
        yield _effort(f"{title}, {case}", [ours[case]] if case in ours else [], alone=True)
    yield _effort(f"{title}, all cases", [*ours.values()], alone=False)


def _effort(where: str, ours: list[Line], alone: bool) -> Claim:
    """By the rank correlation over problems of how hard they are and when they stop."""

    def untested(why: str) -> Claim:
        return Claim(THINKS_LONGER, where, UNTESTED, why)

    known = hardness(task_named(ours[0].rows["task"].iloc[0])()) if ours else None
    if known is None or any(not _says_effort(line) for line in ours):
        return untested(f"There is no trace of {OURS} that says it.")
    if alone and not known.varies:
        return untested(f"By their {known.name} they differ by chance alone.")
    if not alone and len(ours) < 2:
        return untested("There is one case alone.")
    numbers = np.concatenate([line.traces[0].hardness for line in ours])  # of the same problems
    steps = [np.stack([each["stopped"].steps for each in line.choices]) for line in ours]
    seeds = min(map(len, steps))
    taken = np.concatenate([each[:seeds] for each in steps], axis=1)  # [S, B]
    (found,) = rank_correlation(numbers[:, None], taken.mean(axis=0)[:, None])
    if np.isnan(found):
        return untested(f"All have the same {known.name}, or stop at the same step.")
    low, high = correlation_interval(numbers, taken)
    rises = bool(np.all(np.diff([each.mean() for each in steps]) >= 0))  # from case to case
    verdict = above(low - CORRELATED, high - CORRELATED)
    return Claim(
        THINKS_LONGER,
        where,
        verdict if rises or verdict != YES else UNCLEAR,
        f"{', '.join(f'{each.mean():.3g}' for each in steps)} steps on average. The correlation "
        f"with the {known.name} is {found:.2f} [{low:.2f}, {high:.2f}].",
        over(ours[0], traced(ours[0])),
    )


def _says_effort(line: Line) -> bool:
    known = all(trace.hardness is not None for trace in line.traces)
    return bool(line.traces) and known and "stopped" in line.choices[0]


def _of(line: Line) -> str:
    return number(line.errors.mean())


def _beside_trivial(line: Line) -> str:
    """What a trivial predictor errs, if it is no more: then a claim says little."""
    if not line.errors.mean() >= line.trivial:
        return ""
    return f" A trivial predictor errs {number(line.trivial)}."


def judge(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    plugins: Plugins = None,
) -> None:
    """Hold a folder's results against what the paper claims; write claims.md, and print it."""
    load_plugins(plugins)
    print(write_claims(folder))


if __name__ == "__main__":
    run_command(judge)
