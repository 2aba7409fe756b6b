"""One run with its evaluations, from start to finished files."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import torch

from benchmarks.evaluation import draw_test_problems, rows, trace, yardstick
from benchmarks.progress import Heartbeat
from benchmarks.provenance import provenance
from benchmarks.runs import PROTOCOL, Evaluation, Run
from benchmarks.store import SCHEMA, Store
from benchmarks.training import Execution, is_trained, train, trained
from irem_core.method import Method
from irem_core.precision import DTYPES, precision
from irem_core.trainer import DivergedError

log = logging.getLogger(__name__)

ERROR = "error.txt"


Planned = list[tuple[Run, list[Evaluation]]]
"""Runs, each with what it is tested on."""


def execute(job: Planned, folder: Path, how: Execution) -> list[str]:
    """Train what is not trained yet, evaluate what is not evaluated yet, and write it all down.

    A job is one run, or several that differ in their seeds alone and are trained together. Returns
    for each "ok", or the status of its worst row that could not be measured: errors that grow
    beyond all numbers at test time are a result. What goes wrong is in the rows and, whole, in the
    run's error.txt.
    """
    store = Store(folder)
    torch.set_num_threads(how.threads)
    open_runs = [run for run, evaluations in job if not _is_done(run, evaluations, store)]
    untrained = [run for run in open_runs if not is_trained(store.run_folder(run.key))]
    if len(untrained) > 1:
        _train_together(untrained, store, how)
    return [_execute_one(run, evaluations, store, how) for run, evaluations in job]


def _train_together(runs: list[Run], store: Store, how: Execution) -> None:
    """Train runs at once. One that does not end well is tried alone after this, and says why."""
    folders = [store.run_folder(run.key) for run in runs]
    heartbeats = [Heartbeat(folder) for folder in folders]

    def progress(done: int) -> None:
        for heartbeat in heartbeats:
            heartbeat(done)

    try:
        train(runs, folders, how, progress)
    except Exception as error:
        log.warning("%s: %d seeds could not be trained at once: %s", runs[0], len(runs), error)


def _execute_one(run: Run, evaluations: list[Evaluation], store: Store, how: Execution) -> str:
    if _is_done(run, evaluations, store):
        return _status(run, evaluations, store)
    heartbeat = Heartbeat(store.run_folder(run.key))
    try:
        method, training = trained(run, store.run_folder(run.key), how, heartbeat)
        for evaluation in evaluations:
            _evaluate(run, method, training, evaluation, store, how.device)
        (store.run_folder(run.key) / ERROR).unlink(missing_ok=True)
    except Exception as error:  # whatever a method does, it costs its own run only
        _write_failure(run, evaluations, store, how.device, error)
    finally:
        heartbeat.end()
    return _status(run, evaluations, store)


def _is_done(run: Run, evaluations: list[Evaluation], store: Store) -> bool:
    return all(_is_finished(run, evaluation, store) for evaluation in evaluations)


def _evaluate(
    run: Run,
    method: Method,
    training: dict[str, Any],
    evaluation: Evaluation,
    store: Store,
    device: torch.device,
) -> None:
    """Evaluate, unless every budget has its rows already; the budgets of before are kept."""
    if _is_finished(run, evaluation, store):
        return
    evaluation = evaluation.with_steps(_measured_budgets(run, evaluation, store))
    tested = run.task.test(evaluation.size, evaluation.difficulty)
    batch = draw_test_problems(tested, evaluation.problems).to(device, DTYPES[run.dtype])
    against = yardstick(run.task, tested, evaluation.problems)
    with precision(run.dtype, device):
        result = trace(method, batch, max(evaluation.steps), against.variance)
    about = _about(run, evaluation, device) | _trained(training, method)
    store.write_evaluation(
        run.key,
        evaluation.key(run.task),
        [about | row for row in rows(result, against, evaluation)],
        {"trace": result.frame(), "examples": result.examples},
    )


def _is_finished(run: Run, evaluation: Evaluation, store: Store) -> bool:
    return _measured_budgets(run, evaluation, store) >= set(evaluation.steps)


def _measured_budgets(run: Run, evaluation: Evaluation, store: Store) -> set[int]:
    rows = store.rows(run.key, evaluation.key(run.task))
    return {row["steps"] for row in rows if "mse" in row}


def _about(run: Run, evaluation: Evaluation, device: torch.device) -> dict[str, Any]:
    """The columns of a row that are known before anything is measured."""
    return {
        "task": run.task.name,
        "method": run.method,
        "size": evaluation.size,
        "difficulty": evaluation.difficulty,
        "seed": run.seed,
        "problems": evaluation.problems,
        "protocol": PROTOCOL,
        "settings": json.dumps(run.unusual_settings(), sort_keys=True, separators=(",", ":")),
        "run_key": run.key,
        "schema": SCHEMA,
        **provenance(device, run.dtype),
    }


def _trained(training: dict[str, Any], method: Method) -> dict[str, Any]:
    """The columns of a row that the training decides."""
    return {
        "train_iterations": training.get("train_iterations", 0),
        "train_seconds": training.get("train_seconds", 0.0),
        "parameters": method.used_parameters(),
        "learning_rate": training.get("learning_rate"),
        "engine": training.get("engine"),
        "together": training.get("together"),
    }


def _write_failure(
    run: Run,
    evaluations: list[Evaluation],
    store: Store,
    device: torch.device,
    error: Exception,
) -> None:
    """A row for every budget that has no result, and the traceback beside the run."""
    status = "diverged" if isinstance(error, DivergedError) else "failed"
    store.run_folder(run.key).mkdir(parents=True, exist_ok=True)
    (store.run_folder(run.key) / ERROR).write_text(traceback.format_exc())
    for evaluation in evaluations:
        key = evaluation.key(run.task)
        measured = [row for row in store.rows(run.key, key) if "mse" in row]
        missing = set(evaluation.steps) - {row["steps"] for row in measured}
        about = _about(run, evaluation, device)
        about |= {"selection": "last", "status": status, "error": f"{error}"}
        failed = [about | {"steps": budget} for budget in sorted(missing)]
        store.write_evaluation(run.key, key, measured + failed, {})


def _status(run: Run, evaluations: list[Evaluation], store: Store) -> str:
    rows = [row for e in evaluations for row in store.rows(run.key, e.key(run.task))]
    statuses = {row["status"] for row in rows if "mse" not in row}
    return next((status for status in ("failed", "diverged") if status in statuses), "ok")
