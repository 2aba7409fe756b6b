"""Reference errors of every test set: best trivial predictor, one linear pass, best known error.

A test set is named by a text in JSON, which says what is trained on and what is tested. It has one
reference, however many methods answered it, and ``DIR/references.csv`` keeps those of a folder. To
compute them takes seconds, so they are made again only if ``LADDER`` says so.
"""

from __future__ import annotations

import ast
import json
import logging
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from baselines.best_known import BestKnown, best_known
from baselines.trivial import (
    FITTED_ON,
    Trivial,
    TrivialConstant,
    TrivialCopy,
    TrivialEntrySize,
    TrivialRow,
)
from benchmarks.expressions import Nested, Solve
from benchmarks.metrics import skill
from benchmarks.problems import draw_test_problems, solver
from benchmarks.registry import TASKS, TRIVIAL, task_named
from benchmarks.shortcut import with_shortcut
from irem_core.checkpoint import write_whole
from irem_core.informed import informed
from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.types import Batch, Task, last

log = logging.getLogger(__name__)

NAME = "references.csv"
LADDER = 1  # raised when the trivial predictors change; cached references are then computed again
INFERENCE = ("expression", "times", "parts", "shortcut")
"""Settings of an evaluation that decide which problems it has."""
NOT_OF_TASKS = (*INFERENCE, "trained_size")


class Reference(NamedTuple):
    """What an error on a test set is held against; NaN where there is none."""

    mse_trivial: float  # of the best trivial predictor
    mse_row: float  # of one linear pass
    mse_best: float
    mse_best_uncertainty: float

    def columns(self, mse: float) -> dict[str, float]:
        """The columns of results that say where an error stands."""
        best = None if pd.isna(self.mse_best) else self.mse_best
        return {"skill": skill(mse, self.mse_trivial, best), **self._asdict()}


UNKNOWN = Reference(*[float("nan")] * 4)


def test_set(task: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """The name of the test problems of a row of results.

    task: name and values of what is trained on, as in a run's config.json.
    """
    settings = json.loads(row["settings"])
    about = {name: row[name] for name in ("size", "difficulty", "problems")}
    about |= {name: settings[name] for name in INFERENCE if name in settings}
    return json.dumps({"task": dict(task), **about}, sort_keys=True)


def trained_on(row: Mapping[str, Any]) -> dict[str, Any]:
    """The task that a row of answers from elsewhere is about; such runs have no config.json.

    Graphs are taken to be those of the paper's training.
    """
    settings = json.loads(row["settings"])
    values = {name: value for name, value in settings.items() if name not in NOT_OF_TASKS}
    known = TASKS.get(row["task"])
    if known is None or known.domain == "matrix":
        values["size"] = settings.get("trained_size", row["size"])
    return {"name": row["task"], **values}


def references(folder: Path, test_sets: Sequence[str]) -> dict[str, Reference]:
    """The reference of every test set, from the folder's file or computed and added to it.

    Those of a task whose plugin is not loaded are ``UNKNOWN`` unless the file has them.
    """
    path = folder / NAME
    known = _read(path)
    missing = [name for name in dict.fromkeys(test_sets) if name not in known]
    found = {name: made for name in missing if (made := _made(name)) is not None}
    if found:
        _write(path, known | found)
    return {name: (known | found).get(name, UNKNOWN) for name in test_sets}


def _read(path: Path) -> dict[str, Reference]:
    if not path.exists():
        return {}
    try:
        rows = pd.read_csv(path)
        rows = rows[rows["ladder"] == LADDER]
        return {
            str(name): Reference(*numbers)
            for name, *numbers in rows[["test_set", *Reference._fields]].itertuples(index=False)
        }
    except (ValueError, KeyError) as error:
        log.warning("%s cannot be read, so it is made again: %s", path, error)
        return {}


def _write(path: Path, known: dict[str, Reference]) -> None:
    rows = [{"test_set": name, "ladder": LADDER, **known[name]._asdict()} for name in sorted(known)]
    buffer = BytesIO()
    pd.DataFrame(rows).to_csv(buffer, index=False)
    write_whole(path, buffer.getvalue())


def _made(name: str) -> Reference | None:
    """Compute a reference; None if that is not possible.

    Such as where the task is of a plugin that is not loaded, or a run's config.json is damaged.
    """
    try:
        return reference(name)
    except Exception as error:  # whatever one row says, it costs its own skill only
        log.warning("There is no skill of %s: %s", name, error)
        return None


def reference(name: str) -> Reference:
    """Compute the reference of a test set. Raises UsageError if its task is not known."""
    about = json.loads(name)
    task = _task(about["task"])
    size, difficulty, count = about["size"], about["difficulty"], about["problems"]
    if "expression" in about:
        trained = (task, *map(_parsed, about.get("parts", [])))
        asked = (
            about["expression"],
            trained,
            tuple(each.test(size, difficulty) for each in trained),
            count,
            about.get("times", 1),
        )
        errors = trivial_errors_of_nested(*asked, TRIVIAL)
        row = trivial_errors_of_nested(*asked, (TrivialRow,))
        return _reference(errors, row, BestKnown(0.0, 0.0))
    tested = task.test(size, difficulty)
    return reference_of(task, tested, count, about.get("shortcut", False))


@cache
def reference_of(task: Task, tested: Task, count: int, shortcut: bool = False) -> Reference:
    """For the first test problems of ``tested``, by predictors fitted on ``task``."""
    batch = draw_test_problems(tested, count)
    if shortcut:
        batch = with_shortcut(tested, batch)  # type: ignore[arg-type]
    errors = trivial_errors(task, batch)
    row = trivial_errors(task, batch, (TrivialRow,))
    return _reference(errors, row, best_known(tested, count))


def _reference(errors: list[float], row: list[float], best: BestKnown | None) -> Reference:
    unknown = float("nan")
    return Reference(min(errors), min(row, default=unknown), *(best or (unknown, unknown)))


def _task(about: dict[str, Any]) -> Task:
    values = dict(about)
    made: Task = task_named(values.pop("name"))(**values)
    return made


def _parsed(text: str) -> Task:
    """The task that is written out as ``inverse(size=10)``."""
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call)
    assert isinstance(call.func, ast.Name)
    values = {f"{each.arg}": ast.literal_eval(each.value) for each in call.keywords}
    return _task({"name": call.func.id, **values})


@torch.no_grad()
def trivial_errors(
    task: Task, batch: Batch, predictors: tuple[type[Trivial], ...] = TRIVIAL
) -> list[float]:
    """Of those predictors that answer the task, fitted on what is trained on."""
    made: list[Method] = [cls(task).double() for cls in predictors if cls.answers_task(task)]
    if batch.problem.known is not None:
        made = [informed(predictor) for predictor in made]
    return [_error(predictor, batch) for predictor in made]


def trivial_errors_of_nested(
    expression: str,
    trained: tuple[Task, ...],
    tested: tuple[Task, ...],
    count: int,
    times: int,
    predictors: tuple[type[Trivial], ...] = TRIVIAL,
) -> list[float]:
    """Of predictors in the place of every solver, and of those that are fitted to the whole."""
    parts = _trivially_nested(expression, trained, tested, count, predictors)
    sample, asked = (each.whole(times) for each in _as_one(expression, trained, tested, count))
    wholes = [cls(trained[0]).double() for cls in predictors if _fits_the_whole(cls, trained)]
    for predictor in wholes:
        predictor.fit(sample)
    return [each.error(times) for each in parts] + [_error(each, asked) for each in wholes]


def _fits_the_whole(cls: type[Trivial], trained: tuple[Task, ...]) -> bool:
    """Whether a predictor that is fitted to a whole expression is trivial, and can be."""
    entrywise = all(task.entrywise for task in trained)
    if cls is TrivialEntrySize and trained[0].domain != "graph":
        return False
    return cls is TrivialConstant or not (entrywise or cls is TrivialCopy)


@lru_cache(maxsize=4)  # they hold all of their problems
def _as_one(
    expression: str, trained: tuple[Task, ...], tested: tuple[Task, ...], count: int
) -> tuple[Nested, Nested]:
    """A sample of what is trained on, and the test problems, of exact answers all the way."""
    return (
        Nested(expression, trained, _exactly(trained), FITTED_ON, "trivial"),
        Nested(expression, tested, _exactly(tested), count),
    )


def _exactly(tasks: tuple[Task, ...]) -> dict[str, Solve]:
    return {task.name: task.exact for task in tasks}  # type: ignore[attr-defined]


@lru_cache(maxsize=4)
def _trivially_nested(
    expression: str,
    trained: tuple[Task, ...],
    tested: tuple[Task, ...],
    count: int,
    predictors: tuple[type[Trivial], ...],
) -> list[Nested]:
    """The expression solved by each trivial predictor."""
    return [
        Nested(
            expression,
            tested,
            {task.name: solver(cls(task).double(), 1) for task in trained},
            count,
        )
        for cls in predictors
        if all(cls.answers_task(task) for task in trained)
    ]


@torch.no_grad()
def _error(predictor: Method, batch: Batch) -> float:
    answer = last(predictor.unroll(batch.problem, 1)).answer
    return mean_squared_error(answer, batch).item()
