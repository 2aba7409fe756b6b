"""Every metric of every line in every case, with its interval: what tables and claims say."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison, at_largest_budget, comparisons
from benchmarks.evaluation import Choice, Trace
from benchmarks.lines import Line, lines
from benchmarks.metrics import (
    Array,
    allocation_test,
    anytime_score,
    energy_rank_correlation,
    energy_rises,
    halting_skill,
    overthinking,
    skill,
    steps_to_target,
)
from benchmarks.stats import interval, resampled_means

SHOWN = ("last", "halted_expected")  # what answers: where it ends, or where it wants to
COLUMNS = [
    *("comparison", "case", "line", "task", "method", "size", "difficulty", "selection", "learns"),
    *("problems", "seeds", "asked", "diverged", "mse", "mse_low", "mse_high", "over", "best"),
    *("skill", "skill_low", "skill_high", "solve_rate", "mse_trivial", "mse_best"),
    *("mse_best_uncertainty", "steps_used", "parameters", "flops", "train_seconds"),
    *("anytime", "overthinking", "target_steps", "target_share", "halting_skill"),
    *("allocation_gain", "allocation_p", "energy_correlation", "energy_rises"),
]
PRICE = 0.1  # of taking every step, as a share of the trivial error


def measures(folder: Path, results: pd.DataFrame) -> pd.DataFrame:
    """A row for every line and case, in their order; what cannot be measured is empty.

    What is resampled comes from one generator: the same results give the same numbers. The columns,
    beside those of results.csv:

    comparison, case, line: where it stands (``cases.Comparison``); learns: whether it was trained.
    seeds, asked: how many finished with finite errors, and how many there are.
    mse_low, mse_high, skill_low, skill_high: 95 % intervals, ``over`` what was resampled.
    best: its error is the lowest of all that learn, and the interval of the difference to each
        other one, paired by problems, is above 0.
    anytime: ``anytime_score`` in operations, from the cheapest first step to the dearest last one
        of all that learn; overthinking: ``overthinking``.
    target_steps, target_share: ``steps_to_target``, where solved is the target (results.csv).
    halting_skill, allocation_gain, allocation_p: of the method's own rule when to stop, with a
        price of all steps of a tenth of the trivial error; of several seeds the largest p.
    energy_correlation: mean ``energy_rank_correlation``; energy_rises: ``energy_rises``.
    """
    measured = [
        row
        for comparison in comparisons(answered(results))
        for case in comparison.cases
        for row in _case(comparison, folder, case)
    ]
    return pd.DataFrame(measured, columns=COLUMNS)


def answered(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of what every run answers in the end: of the thousands there are, the few shown."""
    shown = results[results["selection"].isin(SHOWN)]
    return at_largest_budget(shown, ["run_key", "size", "difficulty", "selection"])


def _case(comparison: Comparison, folder: Path, case: str) -> list[dict[str, Any]]:
    every = lines(comparison, folder, case)
    rng = np.random.default_rng(0)
    means = _resampled([line for line in every if len(line.done)], rng)
    best = _supported_best(every, means)
    trivial = _trivial(every, means)
    budgets = _budgets(every)
    about = {"comparison": comparison.title, "case": case}
    return [
        about
        | _about(line)
        | {"best": line.name == best}
        | _errors(line, means, trivial)
        | _over_steps(line, budgets, rng)
        for line in every
    ]


def _resampled(every: list[Line], rng: np.random.Generator) -> dict[str, Array]:
    """Resampled mean errors of every line, [R]; those that answered as many problems are paired."""
    by_problems = sorted(every, key=lambda line: line.errors.shape[1])
    means: dict[str, Array] = {}
    for _, group in groupby(by_problems, key=lambda line: line.errors.shape[1]):
        paired = list(group)
        resampled = resampled_means([line.errors for line in paired], rng)
        means |= {line.name: each for line, each in zip(paired, resampled, strict=True)}
    return means


def _supported_best(every: list[Line], means: dict[str, Array]) -> str | None:
    """The line that learns whose error is the lowest, if that is more than chance."""
    learned = [line for line in every if line.learns and len(line.done)]
    if len(learned) < 2:
        return None
    best = min(learned, key=lambda line: line.errors.mean())
    others = [line.name for line in learned if line is not best]
    sure = all(interval(means[other] - means[best.name])[0] > 0 for other in others)
    return best.name if sure else None


def _trivial(every: list[Line], means: dict[str, Array]) -> Array | None:
    """Resampled mean errors [R] of the best trivial predictor, if it is among the lines."""
    trivial = [line for line in every if line.method.startswith("trivial") and line.traces]
    return means[min(trivial, key=lambda line: line.errors.mean()).name] if trivial else None


def _budgets(every: list[Line]) -> tuple[float, float]:
    """Operations from the cheapest first step to the dearest last one; NaN if none is known."""
    costs = [trace.flops for line in every if line.learns for trace in line.traces]
    known = [cost for cost in costs if np.isfinite(cost).all() and len(cost) > 1]
    if not known:
        return float("nan"), float("nan")
    return min(cost[1] for cost in known), max(cost[-1] for cost in known)


def _about(line: Line) -> dict[str, Any]:
    first, done = line.rows.iloc[0], line.done
    kept = ("task", "method", "size", "difficulty", "selection", "problems", "mse_trivial")
    about = {name: first[name] for name in (*kept, "mse_best", "mse_best_uncertainty")}
    about |= {"line": line.name, "learns": line.learns}
    about |= {"seeds": len(done), "asked": len(line.rows)}
    about["diverged"] = bool((line.rows["status"] == "diverged").any())
    if done.empty:
        return about
    return about | {
        "steps_used": done["steps_used"].max(),
        "parameters": done["parameters"].max(),
        "flops": (done["flops"] / done["steps_used"]).max(),
        "train_seconds": done["train_seconds"].max(),
        "solve_rate": done["solve_rate"].mean(),
    }


def _errors(line: Line, means: dict[str, Array], trivial: Array | None) -> dict[str, Any]:
    if line.done.empty:
        return {}
    row, mse = line.rows.iloc[0], float(line.errors.mean())
    resampled = means[line.name]
    low, high = interval(resampled)
    seeds, problems = line.errors.shape
    over = " and ".join(["seeds"] * (seeds > 1) + ["problems"] * (problems > 1))
    if not over:  # nothing to resample but what the row itself knows
        done = line.done.iloc[0]
        low, high, over = done["mse_ci_low"], done["mse_ci_high"], "problems"
    against = np.full_like(resampled, row["mse_trivial"]) if trivial is None else trivial
    best = None if pd.isna(row["mse_best"]) else row["mse_best"]
    pairs = zip(resampled, against, strict=True)
    skills = interval(np.array([skill(error, baseline, best) for error, baseline in pairs]))
    return {
        "mse": mse,
        "mse_low": low,
        "mse_high": high,
        "over": over,
        "skill": skill(mse, row["mse_trivial"], best),
        "skill_low": skills[0],
        "skill_high": skills[1],
    }


def _over_steps(
    line: Line, budgets: tuple[float, float], rng: np.random.Generator
) -> dict[str, Any]:
    """Means over seeds of what the whole trace says; of the last answer, not of other rules."""
    if not line.traces or line.selection != "last":
        return {}
    price = PRICE * line.rows["mse_trivial"].iloc[0]
    each = pd.DataFrame(
        _of_trace(trace, choices, budgets, price, rng)
        for trace, choices in zip(line.traces, line.choices, strict=True)
    )
    return each.mean().to_dict() | {"allocation_p": each["allocation_p"].max()}


def _of_trace(
    trace: Trace,
    choices: dict[str, Choice],
    budgets: tuple[float, float],
    price: float,
    rng: np.random.Generator,
) -> dict[str, float]:
    nan = float("nan")
    solved = steps_to_target(np.where(trace.solved, 0.0, 1.0), 0.0)
    reached = solved[np.isfinite(solved)]
    known = np.isfinite(budgets).all() and budgets[0] < budgets[1]
    about = {
        "anytime": anytime_score(trace.errors, trace.flops, *budgets) if known else nan,
        "overthinking": overthinking(trace.errors),
        "target_steps": reached.mean() if len(reached) else nan,
        "target_share": len(reached) / len(solved),
        "halting_skill": nan,
        "allocation_gain": nan,
        "allocation_p": nan,
        "energy_correlation": nan,
        "energy_rises": nan,
    }
    own = choices.get("stopped") or choices.get("halted_expected")
    if own and len(own.answered) > 1:
        errors = trace.errors[: len(own.answered)]
        cost = np.arange(len(errors), dtype=np.float64)
        steps = own.answered.argmax(axis=0)
        gain, p_value = allocation_test(errors, steps, rng)
        about |= {
            "halting_skill": halting_skill(errors, cost, own.answered, price).skill,
            "allocation_gain": gain,
            "allocation_p": p_value,
        }
    if trace.energies is not None:
        correlations = energy_rank_correlation(trace.energies, trace.errors)
        there = correlations[np.isfinite(correlations)]
        about["energy_correlation"] = there.mean() if len(there) else nan
        about["energy_rises"] = energy_rises(trace.energies)
    return about
