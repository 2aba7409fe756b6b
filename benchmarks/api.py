"""The suite from Python: train, evaluate and load a method, in a line each."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import training
from benchmarks.errors import UsageError
from benchmarks.evaluation import rows, trace
from benchmarks.problems import draw_test_problems, variance_of_answers
from benchmarks.references import reference_of
from benchmarks.registry import load_plugins, method_named, task_named
from benchmarks.runs import Evaluation, Run
from benchmarks.settings import check_names, settings_for
from irem_core.checkpoint import CONFIG, WEIGHTS
from irem_core.checks import at_least
from irem_core.method import Method
from irem_core.types import Task

PAPER = Path(__file__).parents[1] / "results" / "paper"
"""The results of a clone of the repository that ``load`` reads by name."""


def train(
    method: str,
    task: Task,
    folder: Path | str,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    **settings: Any,
) -> Method:
    """Train a registered method on a task and keep it under ``folder``.

    ``settings`` are those of ``--set``; the others are the paper's. ``device`` is ``cpu``, ``cuda``
    or ``auto``. If ``folder`` holds the method trained already it is loaded, and if it holds half
    of the training run that run goes on. Raises UsageError for an unknown method, setting or
    device, and ValueError for a seed that is not a whole number from 0 on.
    """
    load_plugins()
    method_named(method)
    settings = {name: _plain(value) for name, value in settings.items()}
    check_names({method: settings})
    seed = _plain(seed)
    at_least(0, seed=seed)
    run = Run(method, task, settings_for(method, task.domain, [settings]), seed)
    how = training.Execution(training.checked_device(str(device)))
    return training.trained(run, Path(folder) / run.key, how)[0]


def _plain(value: Any) -> Any:
    """A scalar of NumPy as the Python number that it is; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def load(
    method: Path | str, task: str | None = None, *, device: torch.device | str = "cpu"
) -> Method:
    """A trained method: ``load("irem", "addition")``, or ``load("runs/mine/KEY")``.

    With a ``task``, the method of this name that a clone of the repository has in results/paper,
    seed 0. Without one, ``method`` is the folder of its run.

    Raises UsageError for an unknown method or task, if the repository has no parameters of it, if
    results/paper is not beside the package, and for a folder without a trained method.
    """
    folder = Path(method) if task is None else _published(str(method), task)
    return training.load(folder, device)[0]


def _published(method: str, task: str) -> Path:
    """The folder in results/paper of the first seed of a method on a task."""
    method_named(method)
    task_named(task)
    if not (PAPER / "runs").is_dir():
        raise UsageError(
            f"There is no {PAPER}: trained methods are in a clone of the repository, not in the "
            "installed package. Clone it, or give the folder of a run."
        )
    found = [(_trained_on(path), path.parent) for path in sorted(PAPER.glob(f"runs/*/{WEIGHTS}"))]
    folders = [folder for run, folder in found if run == (method, task, 0)]
    if not folders:
        listed = _listed(run for run, _ in found)
        raise UsageError(
            f"{PAPER} has no parameters of {method} on {task}. It has those of {listed}."
        )
    if len(folders) > 1:
        names = " and ".join(map(str, folders))
        raise UsageError(f"Several runs are {method} on {task} with seed 0; load one of {names}.")
    return folders[0]


def _listed(runs: Iterable[tuple[str, str, int]]) -> str:
    """List the tasks of each method that has seed 0, as text."""
    tasks: dict[str, list[str]] = {}
    for method, task, seed in sorted(runs):
        if seed == 0:
            tasks.setdefault(method, []).append(task)
    return "; ".join(f"{name} on {', '.join(on)}" for name, on in tasks.items()) or "no method"


def _trained_on(weights: Path) -> tuple[str, str, int]:
    """The method, the task and the seed of the run whose parameters a file holds."""
    path = weights.with_name(CONFIG)
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return config["method"], config["task"]["name"], config["seed"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is not the configuration of a run: {error!r}.") from error


def evaluate(
    method: Method,
    *,
    size: int | None = None,
    difficulty: str | float | None = None,
    steps: Iterable[int] = (1, 10, 40),
    problems: int = 1000,
) -> pd.DataFrame:
    """The rows of results of a method of one's own, on the test problems of its task.

    ``size`` is the size that it was trained on unless another is given, which graphs can have, and
    matrices if the method's parameters fit any;
    ``difficulty`` is ``same``, or for graphs what follows from the size. Products are those of the
    parameters' type, also where a sweep with ``dtype`` ``mixed`` would round. Raises ValueError for
    sizes, difficulties, steps and numbers of problems that cannot be.
    """
    task = method.task
    size = task.size if size is None else size
    difficulty = task.difficulty_of(size) if difficulty is None else difficulty
    budgets = [_plain(budget) for budget in steps]
    problems = _plain(problems)
    at_least(2, problems=problems)
    at_least(1, **{f"steps[{i}]": budget for i, budget in enumerate(budgets)})
    evaluation = Evaluation(size, difficulty, problems, tuple(sorted(set(budgets))))
    if not budgets:
        raise UsageError("steps must name at least one number")
    if size != task.size and not method.fits_any_size:
        raise ValueError(f"{method.name} on {task} cannot be tested at size {size}: it fits one")
    tested = task.test(size, difficulty)
    batch = draw_test_problems(tested, problems)
    device, dtype = method.place()
    batch = batch.to(device or "cpu", dtype or torch.float64)
    result = trace(method, batch, max(budgets), variance_of_answers(task))
    about = {"task": task.name, "method": method.name, "size": size, "difficulty": difficulty}
    held_against = reference_of(task, tested, problems)
    return pd.DataFrame(
        [about | row | held_against.columns(row["mse"]) for row in rows(result, evaluation)]
    )
