"""What a sweep would do, and how long that would take by the runs that are there."""

from __future__ import annotations

import json

import pandas as pd

from benchmarks.execute import is_done
from benchmarks.registry import METHODS
from benchmarks.runs import Planned, Run
from benchmarks.settings import Settings
from benchmarks.store import Store


def describe(planned: Planned, store: Store, workers: int) -> str:
    """A line for every run, done or to do, and the time that is left."""
    past = store.frame()
    lines, left, known = [], 0.0, True
    for run, evaluations in planned:
        tests = ", ".join(dict.fromkeys(f"{e.size} {e.difficulty}" for e in evaluations))
        ways = dict.fromkeys(_said(e.settings) for e in evaluations if e.settings)
        tests += f"; also {', '.join(ways)}" if ways else ""
        said = "done"
        if not is_done(run, evaluations, store):
            seconds = expected_seconds(run, len(evaluations), past)
            known, left = known and seconds is not None, left + (seconds or 0.0)
            said = "to do" if seconds is None else f"to do, about {seconds:.0f} s"
        steps = evaluations[0].steps[-1]
        lines.append(f"{run.key}  {run}: {tests}; up to {steps} steps; {said}")
    undone = sum("; to do" in line for line in lines)
    least = "" if known else " at least; of some there is no past run here"
    lines.append(f"{len(planned)} runs, {undone} to do: about {left / workers:.0f} s{least}")
    return "\n".join(lines)


def _said(settings: Settings) -> str:
    return " ".join(f"{name}={value}" for name, value in settings.items())


def expected_seconds(run: Run, evaluations: int, past: pd.DataFrame) -> float | None:
    """By the median run of the method on the task: time per update, and per evaluation.

    None where there is no such run.
    """
    like = past[(past["task"] == run.task.name) & (past["method"] == run.method)]
    like = like[like["size"] == run.task.size] if run.task.domain == "matrix" else like
    like = like.dropna(subset="evaluation_seconds")
    if like.empty:
        return None
    testing = evaluations * like["evaluation_seconds"].median()
    if not METHODS[run.method].learns:
        return float(testing)
    rates = like["settings"].map(lambda text: len(json.loads(text).get("learning_rates") or [1]))
    updates = rates * like["train_iterations"].clip(lower=1)  # one rate's stand in the results
    return float(testing + (like["train_seconds"] / updates).median() * run.training.updates)
