"""One run with its evaluations, from start to finished files."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError

from benchmarks.errors import UsageError
from benchmarks.evaluation import draw_test_problems, rows, trace, yardstick
from benchmarks.progress import Heartbeat
from benchmarks.provenance import provenance
from benchmarks.runs import PROTOCOL, Evaluation, Run
from benchmarks.store import SCHEMA, Store
from irem_core.checkpoint import (
    CONFIG,
    WEIGHTS,
    read_tensors,
    save_method,
    write_config,
    write_whole,
)
from irem_core.method import Method
from irem_core.precision import DTYPES, precision
from irem_core.trainer import CurvePoint, DivergedError, Trainer, Training

ERROR = "error.txt"


def execute(
    run: Run,
    evaluations: list[Evaluation],
    folder: Path,
    device: torch.device,
    threads: int,
) -> str:
    """Train what is not trained yet, evaluate what is not evaluated yet, and write it all down.

    Returns "ok", or the status of the worst row that could not be measured: errors that grow beyond
    all numbers at test time are a result. What goes wrong is in the rows and, whole, in the run's
    error.txt.
    """
    store = Store(folder)
    if all(_is_finished(run, evaluation, store) for evaluation in evaluations):
        return _status(run, evaluations, store)
    torch.set_num_threads(threads)
    heartbeat = Heartbeat(store.run_folder(run.key))
    try:
        method, training = trained(run, store.run_folder(run.key), device, heartbeat)
        for evaluation in evaluations:
            _evaluate(run, method, training, evaluation, store, device)
        (store.run_folder(run.key) / ERROR).unlink(missing_ok=True)
    except Exception as error:  # whatever a method does, it costs its own run only
        _write_failure(run, evaluations, store, device, error)
    finally:
        heartbeat.end()
    return _status(run, evaluations, store)


def trained(
    run: Run,
    folder: Path,
    device: torch.device,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Method, dict[str, Any]]:
    """The run's method with its trained parameters, from ``folder`` if they are there.

    Also what results say of the training. A training run that was cut off goes on.
    """
    if (folder / WEIGHTS).exists() and (folder / CONFIG).exists():
        return load(folder, device)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, run.config())
    about: dict[str, Any] = {}
    method = run.untrained().to(device, DTYPES[run.dtype])
    if method.learns:
        method, about = _train(run, folder, device, progress)
    save_method(folder, method, run.config() | {"training": about})
    for candidate in run.training.candidates:
        _state(folder, candidate).unlink(missing_ok=True)
    return method.eval(), about


def load(folder: Path, device: torch.device | str = "cpu") -> tuple[Method, dict[str, Any]]:
    """A finished method from its folder. Raises UsageError if there is none."""
    try:
        config = json.loads((folder / CONFIG).read_text())
        parameters, _ = read_tensors(folder / WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise UsageError(f"{folder} holds no trained method: {error}.") from error
    run = Run.from_config(config)
    method = run.untrained().to(device, DTYPES[run.dtype])
    method.load_state_dict(parameters)
    return method.eval(), config["training"]


def _train(
    run: Run, folder: Path, device: torch.device, progress: Callable[[int], None]
) -> tuple[Method, dict[str, Any]]:
    """Train with every learning rate, and take the parameters with the least validation error."""
    trainers, diverged, before = [], {}, 0
    for training in run.training.candidates:
        trainer = Trainer(run.untrained(), training, run.seed, device)
        trainers.append(trainer)
        try:
            trainer.run(_state(folder, training), _after(before, progress))
        except DivergedError as error:  # a learning rate that is too large is not the one to take
            diverged[trainer] = error
        before += training.train_iterations
    fine = [trainer for trainer in trainers if trainer not in diverged]
    if not fine:
        raise diverged[trainers[-1]]
    chosen = min(fine, key=lambda trainer: trainer.least_error)
    write_whole(folder / "curve.csv", _curves(trainers).to_csv(index=False).encode())
    return chosen.method, {
        "train_iterations": chosen.done,
        "train_seconds": sum(trainer.seconds for trainer in trainers),
        "learning_rate": chosen.training.learning_rate,
        "diverged": [str(error) for error in diverged.values()],
        **provenance(device, run.dtype),
    }


def _after(before: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    """Progress of a training run that comes after others of so many updates."""
    return lambda done: progress(before + done)


def _curves(trainers: list[Trainer]) -> pd.DataFrame:
    columns = ["learning_rate", *(field.name for field in fields(CurvePoint))]
    points = [
        {"learning_rate": trainer.training.learning_rate, **vars(point)}
        for trainer in trainers
        for point in trainer.curve
    ]
    return pd.DataFrame(points, columns=columns)


def _state(folder: Path, training: Training) -> Path:
    return folder / f"state-{training.learning_rate!r}.safetensors"


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
