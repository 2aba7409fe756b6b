"""How a claim is judged: differences of errors with their intervals, and the words for them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from benchmarks.lines import Line
from benchmarks.stats import Interval

MARGIN = 0.1  # of an error, that is no difference
UPDATES = 10_000  # in the paper

YES, NO, UNCLEAR, UNTESTED = "reproduced", "not reproduced", "not clear", "not tested"
LOWER, HIGHER = "lower than published", "higher than published"


class Claim(NamedTuple):
    """A claim about one case, and what the results say of it."""

    claim: str
    where: str
    verdict: str  # YES, NO, UNCLEAR or UNTESTED; of a published number also LOWER or HIGHER
    sentence: str
    over: str = ""  # what intervals are over, and how long was trained


def above(low: float, high: float) -> str:
    """The verdict on a difference that should be above 0, from its interval."""
    return YES if low > 0 else NO if high < 0 else UNCLEAR


def below(most: float, low: float, high: float) -> str:
    """The verdict on a ratio that should be below ``most``, from its interval."""
    return above(most - high, most - low)


def all_above(intervals: Iterable[Interval]) -> str:
    """The verdict on differences that should all be above 0; not clear where one is unknown."""
    verdicts = {above(low, high) for low, high in intervals}
    return NO if NO in verdicts else UNCLEAR if UNCLEAR in verdicts else YES


def same(low: float, high: float, allowed: float) -> str:
    """The verdict on a difference that should be none, from its interval."""
    if -allowed < low and high < allowed:
        return YES
    return HIGHER if low > allowed else LOWER if high < -allowed else UNCLEAR


def change(difference: float, low: float, high: float, more: str, less: str) -> str:
    """A difference with its interval in words, where nothing is negative that need not be."""
    if difference < 0:
        return change(-difference, -high, -low, less, more)
    return f"{number(difference)} {more}{between(low, high)}"


def between(low: float, high: float) -> str:
    """An interval in brackets; nothing where there is none."""
    return "" if np.isnan(low) else f" [{number(low)}, {number(high)}]"


def number(value: float) -> str:
    """Three digits, those that are 0 among them."""
    said = f"{value:#.3g}"
    return said.rstrip(".") if "e" not in said else f"{value:.3g}"


def traced(line: Line) -> str:
    """The problems of its traces, which may be the first alone."""
    few = line.traced and line.traced < line.problems
    return f"the first {line.traced} of {line.problems} problems" if few else "problems"


def over(line: Line, problems: str = "problems") -> str:
    """What its intervals are over, and how long it was trained."""
    seeds = f"and {len(line.done)} seeds" if len(line.done) > 1 else "alone, of one seed"
    intervals = f"95 %, over {problems} {seeds}" if line.traces else "no interval without traces"
    updates = trained(line)
    paper = "as in the paper" if updates == UPDATES else f"the paper {UPDATES:,}"
    return f"{intervals}; {updates:,} updates, {paper}"


def one_seed(*lines: Line) -> str:
    """Which of two sides of a comparison have one seed alone, beside its interval."""
    alone = [line.name for line in lines if line.learns and line.traces and len(line.errors) == 1]
    return f" (one seed of {' and '.join(alone)})" * bool(alone)


def trained(line: Line) -> int:
    """Its updates, the most of any seed."""
    return int(line.rows["train_iterations"].max())
