"""The test problems of an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.expressions import Nested, Solve
from benchmarks.inference import USUAL, Inference
from benchmarks.runs import Evaluation, Run
from benchmarks.shortcut import with_shortcut
from irem_core.method import Method
from irem_core.precision import DTYPES, precision
from irem_core.streams import stream
from irem_core.tasks import ShortestPath
from irem_core.types import Batch, Problem, Task, last


def draw_test_problems(task: Task, count: int, purpose: tuple[object, ...] = ("test",)) -> Batch:
    """The test problems of a task as it is tested: the same always, drawn on the CPU in float64.

    ``purpose`` names the random stream: another one gives other problems.
    """
    return task.draw(count, stream(*purpose, task), torch.float64)


class Posed:
    """The test problems of a run's evaluations; nested ones go on from those of before."""

    def __init__(
        self,
        run: Run,
        method: Method,
        part: Callable[[Run], Method],
        purpose: tuple[object, ...] = ("test",),
    ) -> None:
        """part: the trained method of another run, which solves what is within an expression.

        purpose: see ``draw_test_problems``.
        """
        self.run, self.method, self.part, self.purpose = run, method, part, purpose
        self.nested: dict[str, Nested] = {}

    def problems(self, evaluation: Evaluation) -> Batch:
        """On the CPU in float64, each with its start."""
        own, asked = self.run.task, evaluation.inference
        if asked.expression:
            batch = self._nested(evaluation).batch(asked.times)
        else:
            tested = own.test(evaluation.size, evaluation.difficulty)
            batch = draw_test_problems(tested, evaluation.problems, self.purpose)
            if asked.shortcut:
                assert isinstance(tested, ShortestPath)  # else it does not suit
                batch = with_shortcut(tested, batch)
        return Batch(asked.started(batch.problem, own), batch.target)

    def _nested(self, evaluation: Evaluation) -> Nested:
        key = evaluation.asked(times=1).key(self.run.task)
        if key not in self.nested:
            self.nested[key] = self._made(evaluation)
        return self.nested[key]

    def _made(self, evaluation: Evaluation) -> Nested:
        """An expression that the run's method and those of its parts solve."""
        steps, solvers = max(evaluation.steps), {}
        runs = (self.run, *evaluation.parts)
        for run in runs:
            method = self.method if run is self.run else self.part(run)
            solvers[run.task.name] = solver(method, steps, run.dtype, evaluation.inference)
        tested = [run.task.test(evaluation.size, evaluation.difficulty) for run in runs]
        assert self.purpose == ("test",), "the problems of an expression have streams of their own"
        return Nested(evaluation.inference.expression, tested, solvers, evaluation.problems)


@cache
def variance_of_answers(task: Task) -> float:
    """Of the answers that are trained on; it says what counts as solved."""
    same = task.draw(4096, stream("variance", task), torch.float64)
    return same.target[same.problem.mask].var().item()


def solver(
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
