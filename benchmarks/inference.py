"""How a trained method is asked at test time, where that is not as in the protocol."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import torch
from pydantic import ConfigDict

from benchmarks.errors import unknown
from benchmarks.expressions import Expression
from benchmarks.registry import METHODS
from benchmarks.settings import Settings
from irem_core.checks import at_least
from irem_core.irem import IREM
from irem_core.method import Method
from irem_core.search import Search, Searching
from irem_core.types import Problem, Task

STARTS = ("random", "zero")


@dataclass(frozen=True)
class Inference(Search):
    """A way to ask; as it stands it is the protocol's.

    The fields of a search are those of ``irem_core.search.Search``.

    start: where a descent starts: at the ``random`` start of the problem, at ``zero``, or at the
        answer of a method that does not learn, such as ``trivial_quadratic``.
    expression: nested problems, such as ``addition(_, a)``; see ``benchmarks.expressions``.
    times: how often the expression is applied, ``_`` being the answer of the time before.
    """

    start: str = "random"
    expression: str = ""
    times: int = 1

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, times=self.times)
        if self.start not in (starts := [*STARTS, *_do_not_learn()]):
            raise unknown("start", self.start, starts)
        if self.expression:
            Expression.parse(self.expression)
        elif self.times > 1:
            raise ValueError("times is how often an expression is applied, and there is none")

    def unusual(self) -> Settings:
        """What differs from the protocol."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }

    @property
    def usual_descent(self) -> bool:
        """Whether a descent starts and goes as in the protocol."""
        return replace(self, expression="", times=1) == USUAL

    def suits(self, method: str, task: Task) -> bool:
        """Whether a method can be asked so about a task: only a descent can go another way."""
        descends = issubclass(METHODS[method], IREM)
        starts = self.start in STARTS or METHODS[self.start].answers_task(task)
        asked = not self.expression or Expression.parse(self.expression).task == task.name
        return asked and (self.usual_descent or (descends and starts))

    def of(self, method: Method) -> Method:
        """The method that answers so."""
        search = Search(**{f.name: getattr(self, f.name) for f in fields(Search)})
        if search == Search():
            return method
        assert isinstance(method, IREM)
        return Searching(method, search)

    @torch.no_grad()
    def started(self, problem: Problem, task: Task) -> Problem:
        """The problem with its start, by a method that was made for ``task``."""
        if self.start == "random":
            return problem
        if self.start == "zero":
            return replace(problem, start=torch.zeros_like(problem.start))
        make: Any = METHODS[self.start]
        exactly = problem.to("cpu", torch.float64)
        method = make(task).double()
        answer = method.solve(exactly, method.allowed(1)).answers[-1]
        return replace(problem, start=answer.to(problem.start))


def _do_not_learn() -> list[str]:
    return [name for name, method in METHODS.items() if not method.learns]


USUAL = Inference()
