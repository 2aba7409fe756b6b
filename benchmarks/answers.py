"""Answers from elsewhere: ``python -m benchmarks.answers export`` and ``score``.

The test problems of an evaluation go out as NumPy arrays, answers to them come in, from whatever
framework, and are measured as our own methods are. Rows are problems: x [B, n_in] and start
[B, n_out] are matrices flattened row by row, of graphs N x N; answers are like start, or [T, B,
n_out] after 1 to T steps.
"""

from __future__ import annotations

import json
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from benchmarks.cli import Plugins, run_app
from benchmarks.errors import UsageError
from benchmarks.evaluation import measured, rows
from benchmarks.execute import columns
from benchmarks.problems import draw_test_problems, variance_of_answers
from benchmarks.provenance import provenance
from benchmarks.registry import METHODS, load_plugins, task_named
from benchmarks.runs import Evaluation, external_key
from benchmarks.settings import parse_assignments
from benchmarks.store import Store
from benchmarks.text import check_name
from irem_core.checkpoint import write_whole
from irem_core.types import Batch, Task

SAME = 1e-9  # inputs that differ by no more were rounded on another processor
ABOUT = ("task", "values", "size", "difficulty", "problems")

UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile)
"""What NumPy raises for a file that is not its own."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def export(
    task: Annotated[str, typer.Option(help="Its name.")],
    out: Annotated[Path, typer.Option(help="The file, ending in .npz.")],
    size: Annotated[
        int | None, typer.Option(min=1, help="Side, or nodes. Default: the paper's.")
    ] = None,
    difficulty: Annotated[str | None, typer.Option(help="same, harder, or a number.")] = None,
    problems: Annotated[int, typer.Option(min=2, help="How many.")] = 1000,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value of the task.")
    ] = None,
    plugins: Plugins = None,
) -> None:
    """Write test problems: x, start, for graphs nodes, and about, which says what they are."""
    load_plugins(plugins)
    about: dict[str, Any] = {
        "task": task,
        "values": parse_assignments(assignments or []),
        "size": size,
        "difficulty": difficulty,
        "problems": problems,
    }
    _, evaluation, batch = _test(about)
    about |= {"size": evaluation.size, "difficulty": evaluation.difficulty}
    arrays: dict[str, Any] = {name: t.numpy() for name, t in batch.problem.named().items()}
    buffer = BytesIO()
    np.savez_compressed(buffer, about=json.dumps(about), **arrays)
    try:
        write_whole(out, buffer.getvalue())
    except OSError as error:
        raise UsageError(f"{out} cannot be written: {error.strerror}.") from error
    print(
        f"{out}: {problems} problems of {task}; answers are {list(batch.target.shape)}, "
        "or [T, ...] after 1 to T steps"
    )


@app.command()
def score(
    problems: Annotated[Path, typer.Argument(help="What export wrote.")],
    answers: Annotated[Path, typer.Argument(help="Answers to it, .npy.")],
    method: Annotated[str, typer.Option(help="The name of what answered.")],
    out: Annotated[Path, typer.Option(help="The folder of results that gets the rows.")],
    seed: Annotated[int, typer.Option(min=0, help="Of its training.")] = 0,
    plugins: Plugins = None,
) -> None:
    """Measure answers, and add their rows, marked external, to a folder of results."""
    load_plugins(plugins)
    check_name("--method", method)
    if method in METHODS:
        raise UsageError(f"{method!r} is a method of the suite; give yours another name.")
    about, x = _read_problems(problems)
    task, evaluation, batch = _test(about)
    inputs = batch.problem.x.numpy()
    if x.shape != inputs.shape or not np.allclose(x, inputs, rtol=SAME, atol=SAME):
        raise UsageError(f"{problems} holds other problems than are tested now; export them again.")
    given = _read_answers(answers, batch)
    evaluation = evaluation.with_steps([len(given)])
    store = Store(out)
    store.prepare()
    key = external_key(method, task, seed)
    answered = [batch.problem.start, *torch.from_numpy(given)]
    result = measured(answered, batch, task, variance_of_answers(task))
    values = {name: value for name, value in about["values"].items() if name != "size"}
    common = columns(method, task, seed, values, key, evaluation) | {"external": True}
    common |= provenance(torch.device("cpu"), "float64")
    scored = [common | row for row in rows(result, evaluation)]
    with store.lock(key):
        if store.rows(key, evaluation.key(task)):
            print(f"What {method!r}, seed {seed}, had answered before is replaced.")
        store.write_evaluation(key, evaluation.key(task), scored, result.frames())
    print(f"{store.csv}: {len(store.collect())} rows")


def _test(about: dict[str, Any]) -> tuple[Task, Evaluation, Batch]:
    """The task, how it is tested, and the test problems."""
    try:
        make: Any = task_named(about["task"])
        values = dict(about["values"])
        matrix = make.domain == "matrix"
        if matrix and about["size"] is not None:
            values["size"] = about["size"]
        task = make(**values)
        size = task.size if about["size"] is None else about["size"]
        difficulty = _number(about["difficulty"])
        difficulty = task.difficulty_of(size) if difficulty is None else difficulty
        evaluation = Evaluation(size, difficulty, about["problems"], ())
        batch = draw_test_problems(task.test(size, difficulty), evaluation.problems)
    except (AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"{about['task']}: {error}") from error
    return task, evaluation, batch


def _number(difficulty: str | float | None) -> str | float | None:
    try:
        return None if difficulty is None else float(difficulty)
    except ValueError:
        return difficulty


def _read_problems(path: Path) -> tuple[dict[str, Any], np.ndarray]:
    """What the problems are, and their inputs."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            return {name: about[name] for name in ABOUT}, arrays["x"]
    except UNREADABLE as error:
        raise UsageError(f"{path} is not what `export` wrote: {error}.") from error


def _read_answers(path: Path, batch: Batch) -> np.ndarray:
    """[T, B, n_out]. Raises UsageError for another shape, and for what is not a number."""
    try:
        answers = np.load(path, allow_pickle=False)
    except UNREADABLE as error:
        raise UsageError(f"{path} is not what numpy.save writes.") from error
    shape = tuple(batch.target.shape)
    right = isinstance(answers, np.ndarray) and answers.shape[-2:] == shape
    if not right or answers.ndim > 3 or not answers.size:
        said = getattr(answers, "shape", "several arrays")
        raise UsageError(f"{path} must hold an array {list(shape)} or [T, ...], not {said}.")
    if answers.dtype.kind not in "fiub":
        raise UsageError(
            f"{path} holds numbers of type {answers.dtype}: save them as float32 or float64."
        )
    if not np.isfinite(answers).all():
        raise UsageError(f"{path} holds entries that are not finite numbers.")
    return answers.reshape(-1, *shape).astype(np.float64)


if __name__ == "__main__":
    run_app(app)
