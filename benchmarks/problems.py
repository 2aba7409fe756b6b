"""The test problems of an evaluation, and what errors on them are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from baselines.best_known import BestKnown, best_known
from baselines.trivial import FITTED_ON, TrivialCopy
from benchmarks.expressions import Nested, Solve
from benchmarks.inference import USUAL, Inference
from benchmarks.registry import TRIVIAL
from benchmarks.runs import Evaluation, Run
from benchmarks.shortcut import with_shortcut
from irem_core.informed import informed
from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.precision import DTYPES, precision
from irem_core.streams import stream
from irem_core.tasks import ShortestPath
from irem_core.types import Batch, Problem, Task, last


@dataclass(frozen=True)
class Yardstick:
    """What an error on a set of test problems is held against."""

    mse_trivial: float  # of the best trivial predictor on the same problems
    best: BestKnown | None
    variance: float  # of the answers at ``same`` difficulty


def draw_test_problems(task: Task, count: int) -> Batch:
    """The test problems of a task as it is tested: the same always, drawn on the CPU in float64."""
    return task.draw(count, stream("test", task), torch.float64)


@cache
def yardstick(task: Task, tested: Task, problems: int) -> Yardstick:
    """For test problems of ``tested``, by predictors fitted on ``task``, which is trained on."""
    batch = draw_test_problems(tested, problems)
    best = best_known(tested, problems)
    return Yardstick(min(trivial_errors(task, batch)), best, _variance(task))


class Posed:
    """The test problems of a run's evaluations; nested ones go on from those of before."""

    def __init__(self, run: Run, method: Method, part: Callable[[Run], Method]) -> None:
        """part: the trained method of another run, which solves what is within an expression."""
        self.run, self.method, self.part = run, method, part
        self.nested: dict[str, Nested] = {}

    def problems(self, evaluation: Evaluation) -> tuple[Batch, Yardstick]:
        """On the CPU in float64, each with its start."""
        own, asked = self.run.task, evaluation.inference
        if asked.expression:
            batch = self._nested(evaluation).batch(asked.times)
            errors = trivial_errors_of_nested(
                asked.expression, *self._tasks(evaluation), asked.times
            )
            against = Yardstick(min(errors), BestKnown(0.0, 0.0), _variance(own))
        else:
            tested = own.test(evaluation.size, evaluation.difficulty)
            batch = draw_test_problems(tested, evaluation.problems)
            against = yardstick(own, tested, evaluation.problems)
            if asked.shortcut:
                assert isinstance(tested, ShortestPath)  # else it does not suit
                batch = with_shortcut(tested, batch)
                against = replace(against, mse_trivial=min(trivial_errors(own, batch)))
        return Batch(asked.started(batch.problem, own), batch.target), against

    def _nested(self, evaluation: Evaluation) -> Nested:
        key = evaluation.asked(times=1).key(self.run.task)
        if key not in self.nested:
            self.nested[key] = self._made(evaluation)
        return self.nested[key]

    def _made(self, evaluation: Evaluation) -> Nested:
        """An expression that the run's method and those of its parts solve."""
        steps, solvers = max(evaluation.steps), {}
        for run in (self.run, *evaluation.parts):
            method = self.method if run is self.run else self.part(run)
            solvers[run.task.name] = _solver(method, steps, run.dtype, evaluation.inference)
        _, tested, count = self._tasks(evaluation)
        return Nested(evaluation.inference.expression, tested, solvers, count)

    def _tasks(self, evaluation: Evaluation) -> tuple[tuple[Task, ...], tuple[Task, ...], int]:
        """What is trained on and what is tested, of an expression, and how many problems."""
        trained = tuple(run.task for run in (self.run, *evaluation.parts))
        tested = tuple(task.test(evaluation.size, evaluation.difficulty) for task in trained)
        return trained, tested, evaluation.problems


def trivial_errors_of_nested(
    expression: str,
    trained: tuple[Task, ...],
    tested: tuple[Task, ...],
    count: int,
    times: int,
) -> list[float]:
    """Of predictors in the place of every solver, and of those that are fitted to the whole."""
    parts = _trivially_nested(expression, trained, tested, count)
    sample, asked = (each.whole(times) for each in _as_one(expression, trained, tested, count))
    entrywise = all(task.entrywise for task in trained)
    fits = [cls for cls in TRIVIAL if cls is not TrivialCopy and not (cls.degree and entrywise)]
    wholes = [cls(trained[0]).double() for cls in fits]
    for predictor in wholes:
        predictor.coefficients = predictor.fitted(sample)
    return [each.error(times) for each in parts] + [_error(each, asked) for each in wholes]


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
    expression: str, trained: tuple[Task, ...], tested: tuple[Task, ...], count: int
) -> list[Nested]:
    """The expression solved by each trivial predictor."""
    return [
        Nested(
            expression,
            tested,
            {task.name: _solver(cls(task).double(), 1) for task in trained},
            count,
        )
        for cls in TRIVIAL
        if all(cls.answers_task(task) for task in trained)
    ]


@torch.no_grad()
def trivial_errors(task: Task, batch: Batch) -> list[float]:
    """Of every trivial predictor that answers the task, fitted on what is trained on."""
    predictors: list[Method] = [cls(task).double() for cls in TRIVIAL if cls.answers_task(task)]
    if batch.problem.known is not None:
        predictors = [informed(predictor) for predictor in predictors]
    return [_error(predictor, batch) for predictor in predictors]


@torch.no_grad()
def _error(predictor: Method, batch: Batch) -> float:
    answer = last(predictor.unroll(batch.problem, 1)).answer
    return mean_squared_error(answer, batch).item()


@cache
def _variance(task: Task) -> float:
    """Of the answers that are trained on."""
    same = task.draw(4096, stream("variance", task), torch.float64)
    return same.target[same.problem.mask].var().item()


def _solver(
    method: Method, steps: int, dtype: str = "float64", inference: Inference = USUAL
) -> Solve:
    """The last answers of a method, on the CPU in float64."""
    answering = inference.of(method)
    place = next((p.device for p in method.parameters()), torch.device("cpu"))

    @torch.no_grad()
    def solve(problem: Problem) -> Float[Tensor, "B n_out"]:
        started = inference.started(problem, method.task).to(place, DTYPES[dtype])
        with precision(dtype, place):
            taken = answering.unroll(started, answering.allowed(steps))
            return last(taken).answer.to("cpu", torch.float64)

    return solve
