"""The suite from Python: train, evaluate and load a method, in a line each."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks import execute
from benchmarks.evaluation import draw_test_problems, rows, trace, yardstick
from benchmarks.registry import method_named
from benchmarks.runs import Evaluation, Run
from benchmarks.settings import check_names, settings_for
from irem_core.method import Method
from irem_core.tasks import MatrixTask


def train(
    method: str,
    task: MatrixTask,
    folder: Path | str,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    **settings: Any,
) -> Method:
    """Train a registered method on a task and keep it under ``folder``.

    ``settings`` are those of ``--set``; the others are the paper's. If ``folder`` holds the method
    trained already it is loaded, and if it holds half of the training run that run goes on.
    Raises UsageError for an unknown method or setting.
    """
    method_named(method)
    check_names({method: settings})
    run = Run(method, task, settings_for(method, settings), seed)
    trained, _ = execute.trained(run, Path(folder) / run.key, torch.device(device))
    return trained


def load(folder: Path | str, device: torch.device | str = "cpu") -> Method:
    """A trained method from the folder of its run. Raises UsageError if there is none."""
    return execute.load(Path(folder), device)[0]


def evaluate(
    method: Method,
    difficulty: str | float = "same",
    steps: Iterable[int] = (1, 10, 80),
    problems: int = 1000,
) -> pd.DataFrame:
    """The rows of results of a method of one's own, on the test problems of its task."""
    evaluation = Evaluation(difficulty, problems, tuple(steps))
    task: Any = method.task
    batch = draw_test_problems(task.at(difficulty), problems)
    against = yardstick(task, difficulty, batch)
    like = next(iter(method.state_dict().values()))
    result = trace(method, batch.to(like.device, like.dtype), max(evaluation.steps))
    return pd.DataFrame(rows(result, against, evaluation))
