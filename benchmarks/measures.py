"""Every metric of every line in every case, with its interval: what tables and claims say."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison, at_largest_budget, comparisons
from benchmarks.evaluation import Choice, Trace
from benchmarks.hardness import hardness
from benchmarks.lines import Line, lines, paired_at
from benchmarks.metrics import (
    allocation_test,
    anytime_score,
    energy_rises,
    halting_skill,
    overthinking,
    rank_correlation,
    skill,
    steps_to_target,
)
from benchmarks.registry import METHODS, task_named
from benchmarks.stats import difference_interval, mean_interval, skill_interval
from benchmarks.store import CASE
from irem_core.descending import Descending
from irem_core.method import Method
from irem_core.search import Search

SHOWN = ("last", "halted_expected")  # what answers: where it ends, or where it wants to
PRICES = (0.01, 0.1, 1.0)  # of taking every step, in trivial errors
COLUMNS = [
    *("comparison", "case", "line", "task", "method", "settings", "size", "difficulty"),
    *("selection", "learns"),
    *("problems", "traced"),
    *("seeds", "asked", "diverged", "mse", "mse_low", "mse_high", "over", "best"),
    *("skill", "skill_low", "skill_high", "solve_rate", "mse_trivial", "mse_row", "mse_best"),
    *("mse_best_uncertainty", "steps_used", "parameters", "flops", "train_seconds"),
    *("anytime", "overthinking", "target_steps", "target_share"),
    *("against", "matched", "matched_low", "matched_high", "matched_seeds"),
    *(f"halting_skill_{price:g}" for price in PRICES),
    *("allocation_gain", "allocation_p", "effort_correlation"),
    *("energy_correlation", "energy_rises"),
    *("starts_correlation", "starts_mean", "starts_best"),
    *("gradients", "energy_evaluations"),
]


def measures(folder: Path, results: pd.DataFrame) -> pd.DataFrame:
    """A row for every line and case, in their order; what cannot be measured is empty.

    What is drawn at random comes from one generator: the same results give the same numbers. The
    columns, beside those of results.csv:

    comparison, case, line: where it stands (``cases.Comparison``); learns: whether it was trained.
    traced: how many problems, the first, have a trace, which says all about steps and equal costs.
    seeds, asked: how many finished with finite errors, and how many there are.
    mse_low, mse_high, skill_low, skill_high: 95 % intervals, ``over`` seeds, problems or both. That
        of the skill is paired with the best trivial predictor, if that was run, or else not there,
        and has the uncertainty of the best known error in it.
    best: its error is the lowest of all that learn, and the interval of the difference to each
        other one, paired by problems, is above 0.
    anytime: ``anytime_score`` in operations, from the cheapest first step to the dearest last one
        of all that learn; overthinking: ``overthinking``.
    target_steps, target_share: ``steps_to_target``, where solved is the target (results.csv).
    matched: how much more it errs than the line ``against``, the first that learned, after as many
        operations, the most that both can spend; with its 95 % interval, paired by problems;
        matched_seeds: how many seeds the one of them with fewer has.
    halting_skill_PRICE, allocation_gain, allocation_p: of the method's own rule when to stop, at a
        price of all steps of PRICE trivial errors; allocation of the most likely step of a method
        that halts by chance; of several seeds the largest p.
    effort_correlation: Spearman's, over problems, of how hard one is (``hardness``) and the steps
        after which that rule stops.
    energy_correlation: mean ``rank_correlation``; energy_rises: ``energy_rises``.
    starts_correlation: the same over the last answers from several starts; starts_mean,
        starts_best: their mean error, and the mean of the least one.
    gradients, energy_evaluations: that a descent asked for, of one problem, all its starts
        together.
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
    return at_largest_budget(shown, ["run_key", *CASE, "selection"])


def _case(comparison: Comparison, folder: Path, case: str) -> list[dict[str, Any]]:
    every = lines(comparison, folder, case)
    rng = np.random.default_rng(0)
    done = [line for line in every if len(line.done)]
    best = _supported_best(every)
    skills = _skills(done)
    budgets = _budgets(every)
    first = next((line for line in done if line.learns and line.spends), None)
    about = {"comparison": comparison.title, "case": case}
    return [
        about
        | _about(line)
        | {"best": line.name == best}
        | _errors(line)
        | skills.get(line.name, {})
        | _over_steps(line, budgets, rng)
        | _over_starts(line)
        | _evaluations(line)
        | _matched(line, first)
        for line in every
    ]


def _supported_best(every: list[Line]) -> str | None:
    """The line that learns whose error is the lowest, if that is more than chance."""
    learned = [line for line in every if line.learns and line.starts_by_itself and len(line.done)]
    if len(learned) < 2:
        return None
    best = min(learned, key=lambda line: line.errors.mean())
    others = [line for line in learned if line is not best]
    sure = all(difference_interval(other.errors, best.errors)[0] > 0 for other in others)
    return best.name if sure else None


def _skills(done: list[Line]) -> dict[str, dict[str, float]]:
    """The skill of every line, with its interval."""
    if not done:
        return {}
    row = done[0].rows.iloc[0]
    trivial, best, uncertainty = row[["mse_trivial", "mse_best", "mse_best_uncertainty"]]
    baselines = [line for line in done if np.isclose(line.errors.mean(), trivial) and line.traces]
    known = None if pd.isna(best) else best
    found = {}
    for line in done:
        one = skill(line.errors.mean(), trivial, known)
        low = high = float("nan")
        if baselines and known is not None and line.errors.shape[1] == baselines[0].problems:
            against = baselines[0].errors.mean(axis=0)
            low, high = skill_interval(line.errors, against, known, np.nan_to_num(uncertainty))
        found[line.name] = {"skill": one, "skill_low": low, "skill_high": high}
    return found


def _budgets(every: list[Line]) -> tuple[float, float]:
    """Operations from the cheapest first step to the dearest last one; NaN if none is known."""
    known = [t.flops for line in every if line.learns and line.spends for t in line.traces]
    if not known:
        return float("nan"), float("nan")
    return min(cost[1] for cost in known), max(cost[-1] for cost in known)


def _about(line: Line) -> dict[str, Any]:
    first, done = line.rows.iloc[0], line.done
    kept = ("task", "method", "settings", "size", "difficulty", "selection", "problems")
    about: dict[str, Any] = {
        name: first[name]
        for name in (*kept, "mse_trivial", "mse_row", "mse_best", "mse_best_uncertainty")
    }
    about |= {"line": line.name, "learns": line.learns, "traced": line.traced}
    about |= {"seeds": len(done), "asked": line.budgets["run_key"].nunique()}
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


def _errors(line: Line) -> dict[str, Any]:
    if line.done.empty:
        return {}
    low, high = mean_interval(line.errors)
    seeds, problems = line.errors.shape
    over = " and ".join(["seeds"] * (seeds > 1) + ["problems"] * (problems > 1))
    if not over:  # of one mean there is no interval but what the row itself knows
        done = line.done.iloc[0]
        low, high, over = done["mse_ci_low"], done["mse_ci_high"], "problems"
    return {"mse": line.errors.mean(), "mse_low": low, "mse_high": high, "over": over}


def _matched(line: Line, first: Line | None) -> dict[str, Any]:
    """How much more a line errs than the first at equal operations."""
    able = line.learns and line.spends and line.selection == "last"
    if first is None or line.name == first.name or not able:
        return {}
    going_on = [each for each in (line, first) if not each.ends]  # the other keeps its answer
    budget = min(trace.flops[-1] for each in going_on or [first] for trace in each.traces)
    ours, theirs = paired_at(line, first, budget)
    low, high = difference_interval(ours, theirs)
    matched = {"matched": ours.mean() - theirs.mean(), "matched_low": low, "matched_high": high}
    return {"against": first.name, **matched, "matched_seeds": min(len(ours), len(theirs))}


def _over_steps(
    line: Line, budgets: tuple[float, float], rng: np.random.Generator
) -> dict[str, Any]:
    """Means over seeds of what the whole traces say."""
    rule = "stopped" if line.selection == "last" else line.selection  # when it stops by itself
    trivial = line.rows["mse_trivial"].iloc[0]
    known = hardness(task_named(line.rows["task"].iloc[0])())
    varies = known is not None and known.varies
    each = pd.DataFrame(
        (_of_trace(trace, budgets) if line.selection == "last" else {})
        | _of_halting(trace, choices.get(rule), trivial, varies, rng)
        for trace, choices in zip(line.traces, line.choices, strict=True)
    )
    return each.mean().to_dict() | each.filter(["allocation_p"]).max().to_dict()


def _of_trace(trace: Trace, budgets: tuple[float, float]) -> dict[str, float]:
    solved = steps_to_target(np.where(trace.solved, 0.0, 1.0), 0.0)
    reached = solved[np.isfinite(solved)]
    about = {"overthinking": overthinking(trace.errors), "target_share": len(reached) / len(solved)}
    if len(reached):
        about["target_steps"] = reached.mean()
    if budgets[0] < budgets[1]:
        about["anytime"] = anytime_score(trace.errors, trace.flops, *budgets)
    if trace.energies is not None:
        correlations = rank_correlation(trace.energies, trace.errors)
        about["energy_correlation"] = pd.Series(correlations).mean()  # of those that have one
        about["energy_rises"] = energy_rises(trace.energies)
    return about


def _over_starts(line: Line) -> dict[str, float]:
    """Means over problems and seeds of what several starts came to; nothing of one start."""
    if not line.starts:
        return {}
    each = []
    for frame in line.starts:
        energies, errors = (
            frame.pivot(index="start", columns="problem", values=name).to_numpy()
            for name in ("energy", "error")
        )
        correlations = pd.Series(rank_correlation(energies, errors))
        each.append((correlations.mean(), errors.mean(), errors.min(axis=0).mean()))
    names = ("starts_correlation", "starts_mean", "starts_best")
    return dict(zip(names, np.mean(each, axis=0), strict=True))


def _evaluations(line: Line) -> dict[str, int]:
    """How often a descent asked for a gradient or an energy."""
    if not issubclass(METHODS.get(line.method, Method), Descending):
        return {}
    said = json.loads(line.settings)
    search = Search(**{f.name: said[f.name] for f in fields(Search) if f.name in said})
    gradients, energies = search.evaluations(line.budget)
    return {"gradients": gradients, "energy_evaluations": energies}


def _of_halting(
    trace: Trace, own: Choice | None, trivial: float, varies: bool, rng: np.random.Generator
) -> dict[str, float]:
    """How well a rule decides when to stop; nothing where there is no decision.

    varies: whether the problems are not all as hard.
    """
    if own is None or len(own.answered) < 2:
        return {}
    errors = trace.errors[: len(own.answered)]
    cost = np.arange(len(errors), dtype=np.float64)
    gain, p_value = allocation_test(errors, own.answered.argmax(axis=0), rng)
    skills = {
        f"halting_skill_{price:g}": halting_skill(
            errors, cost, own.answered, own.used, price * trivial
        ).skill
        for price in PRICES
    }
    about = skills | {"allocation_gain": gain, "allocation_p": p_value}
    if trace.hardness is not None and varies:
        effort = rank_correlation(own.steps[:, None], trace.hardness[:, None])
        about["effort_correlation"] = float(effort[0])
    return about
