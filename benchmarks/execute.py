"""One run with its evaluations, from start to finished files."""

from __future__ import annotations

import json
import logging
import time
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from filelock import Timeout

from benchmarks.errors import UsageError
from benchmarks.evaluation import rows, trace
from benchmarks.memory import HighWater
from benchmarks.problems import Posed, variance_of_answers
from benchmarks.progress import Heartbeat
from benchmarks.provenance import provenance
from benchmarks.runs import PROTOCOL, Evaluation, Planned, Run
from benchmarks.schema import SCHEMA
from benchmarks.settings import Settings
from benchmarks.store import Store
from benchmarks.text import printable
from benchmarks.training import Execution, is_trained, load, train
from irem_core.checkpoint import write_whole
from irem_core.method import Method
from irem_core.precision import DTYPES, precision
from irem_core.trainer import DivergedError
from irem_core.types import Task

log = logging.getLogger(__name__)

ERROR = "error.txt"
FREED = 10.0  # seconds, in which the system frees the lock of a process that died
METHOD_ERRORS = (Exception, SystemExit)  # whatever a method does costs its own runs only
UNFINISHED = ("failed", "timeout", "diverged")  # from the worst on


def execute(job: Planned, folder: Path, how: Execution) -> list[str] | None:
    """Train what is not trained yet, evaluate what is not evaluated yet, and write it all down.

    A job is one run, or several that differ in their seeds alone and are trained together. Returns
    for each "ok", or the status of its worst row that could not be measured: errors that grow
    beyond all numbers at test time are a result. What goes wrong is in the rows and, whole, in the
    run's error.txt. None if another process is at a run of the job.
    """
    store = Store(folder)
    if how.threads is not None:
        torch.set_num_threads(how.threads)
    with ExitStack() as locks:
        try:
            for run, _ in job:
                locks.enter_context(store.lock(run.key).acquire(blocking=False))
        except Timeout:
            return None
        undone = [each for each in job if not is_done(*each, store, how.began)]
        for run, evaluations in undone:
            for evaluation in evaluations:
                store.mend(run.key, evaluation.key(run.task))
        failed = _train([run for run, _ in undone], store, how)
        for run, evaluations in undone:
            _finish(run, evaluations, store, how, failed.get(run.key))
    return statuses(job, store)


def statuses(job: Planned, store: Store) -> list[str]:
    """ "ok", or the status of the worst row that could not be measured, of every run."""
    return [_status(run, evaluations, store) for run, evaluations in job]


def is_done(
    run: Run, evaluations: list[Evaluation], store: Store, failed_since: str | None = None
) -> bool:
    """Whether every budget of every evaluation has been measured.

    With ``failed_since``, a time, also whether since then it was found that it cannot be.
    """
    return not unfinished(run, evaluations, store, failed_since)


def unfinished(
    run: Run, evaluations: list[Evaluation], store: Store, failed_since: str | None = None
) -> list[Evaluation]:
    """The evaluations that are not done; see ``is_done``."""
    return [e for e in evaluations if not _is_finished(run, e, store, failed_since)]


def give_up(job: Planned, folder: Path, status: str, error: Exception) -> None:
    """Write down that a job could not be executed to its end, unless another process is at it."""
    store = Store(folder)
    for run, evaluations in job:
        try:
            with store.lock(run.key).acquire(timeout=FREED):
                store.progress_file(run.key).unlink(missing_ok=True)
                _write_failure(run, evaluations, store, None, status, error)
        except (Timeout, OSError) as why:
            log.warning("%s: %s: %s; that cannot be written: %s", run, status, error, why)


def _train(runs: list[Run], store: Store, how: Execution) -> dict[str, Exception]:
    """Train those that are not trained yet; what went wrong, by key."""
    runs = [run for run in runs if not is_trained(run, store.run_folder(run.key))]
    folders = [store.run_folder(run.key) for run in runs]
    with ExitStack() as stack:
        files = [store.progress_file(run.key) for run in runs]
        heartbeats = [stack.enter_context(Heartbeat(file)) for file in files]

        def progress(done: int) -> None:
            for heartbeat in heartbeats:
                heartbeat(done)

        try:
            return {**train(runs, folders, how, progress)} if runs else {}
        except METHOD_ERRORS as error:
            return {run.key: _as_failure(error) for run in runs}


def _finish(
    run: Run,
    evaluations: list[Evaluation],
    store: Store,
    how: Execution,
    failed: Exception | None,
) -> None:
    """Evaluate a run, or write down why that cannot be."""
    folder = store.run_folder(run.key)
    try:
        if failed:
            raise failed
        method, training = load(folder, how.place)
        posed = Posed(run, method, lambda part: _trained_part(part, store, how.place))
        for evaluation in evaluations:
            _evaluate(posed, training, evaluation, store, how.place)
        (folder / ERROR).unlink(missing_ok=True)
    except METHOD_ERRORS as error:
        status = "diverged" if isinstance(error, DivergedError) else "failed"
        _write_failure(run, evaluations, store, how.place, status, _as_failure(error))


def _as_failure(error: BaseException) -> Exception:
    """What went wrong; that a method ends the process is said in words."""
    if isinstance(error, Exception):
        return error
    failure = RuntimeError(f"the method called sys.exit({error})")
    failure.__cause__ = error
    return failure


def _trained_part(part: Run, store: Store, place: torch.device) -> Method:
    """The method that solves a part of an expression."""
    try:
        return load(store.run_folder(part.key), place)[0]
    except UsageError as error:
        raise UsageError(f"{part}, whose answers are needed, is not trained here") from error


def _evaluate(
    posed: Posed,
    training: dict[str, Any],
    evaluation: Evaluation,
    store: Store,
    device: torch.device,
) -> None:
    """Evaluate, unless every budget has its rows already; the budgets of before are kept."""
    run = posed.run
    if _is_finished(run, evaluation, store):
        return
    began, memory = time.perf_counter(), HighWater(device)
    evaluation = evaluation.with_steps(_budgets(run, evaluation, store))
    batch = posed.problems(evaluation).to(device, DTYPES[run.dtype])
    method = evaluation.inference.of(posed.method)
    with precision(run.dtype, device):
        result = trace(method, batch, max(evaluation.steps), variance_of_answers(run.task))
    about = _about(run, evaluation, device) | _trained(training, posed.method)
    about["evaluation_seconds"] = time.perf_counter() - began
    about["peak_bytes"] = max(memory.read(), training.get("peak_bytes", 0))
    store.write_evaluation(
        run.key,
        evaluation.key(run.task),
        [about | row for row in rows(result, evaluation)],
        result.frames(),
    )


def _is_finished(
    run: Run, evaluation: Evaluation, store: Store, failed_since: str | None = None
) -> bool:
    return _budgets(run, evaluation, store, failed_since) >= set(evaluation.steps)


def _budgets(
    run: Run, evaluation: Evaluation, store: Store, failed_since: str | None = None
) -> set[int]:
    """Those that were measured, or were found since a time to be impossible."""
    rows = store.rows(run.key, evaluation.key(run.task))
    return {
        row["steps"]
        for row in rows
        if "mse" in row or (failed_since and row["created"] > failed_since)
    }


def _about(run: Run, evaluation: Evaluation, device: torch.device | None) -> dict[str, Any]:
    """The columns of a row that are known before anything is measured."""
    settings = run.unusual_settings() | evaluation.settings | evaluation.resized(run.task)
    return {
        **columns(run.method, run.task, run.seed, settings, run.key, evaluation),
        **provenance(device, run.dtype),
    }


def columns(
    method: str, task: Task, seed: int, settings: Settings, run_key: str, evaluation: Evaluation
) -> dict[str, Any]:
    """The columns of a row that say what it is about."""
    return {
        "task": task.name,
        "method": method,
        "size": evaluation.size,
        "difficulty": evaluation.difficulty,
        "seed": seed,
        "problems": evaluation.problems,
        "protocol": PROTOCOL,
        "settings": json.dumps(settings, sort_keys=True, separators=(",", ":")),
        "run_key": run_key,
        "schema": SCHEMA,
        "external": False,
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
    device: torch.device | None,
    status: str,
    error: Exception,
) -> None:
    """A row for every budget that has no result, and the traceback beside the run."""
    store.run_folder(run.key).mkdir(parents=True, exist_ok=True)
    trace = "".join(traceback.format_exception(error))
    write_whole(store.run_folder(run.key) / ERROR, trace.encode(errors="backslashreplace"))
    for evaluation in evaluations:
        key = evaluation.key(run.task)
        measured = [row for row in store.rows(run.key, key) if "mse" in row]
        missing = set(evaluation.steps) - {row["steps"] for row in measured}
        about = _about(run, evaluation, device)
        about |= {"selection": "last", "status": status, "error": printable(str(error))}
        failed = [about | {"steps": budget} for budget in sorted(missing)]
        if failed:
            store.write_evaluation(run.key, key, measured + failed, {})


def _status(run: Run, evaluations: list[Evaluation], store: Store) -> str:
    """ok if every budget was measured, else the worst status of its rows; failed without rows."""
    if is_done(run, evaluations, store):
        return "ok"
    rows = [row for e in evaluations for row in store.rows(run.key, e.key(run.task))]
    statuses = {row["status"] for row in rows if "mse" not in row}
    return next((status for status in UNFINISHED if status in statuses), "failed")
