"""How a trained method is asked at test time, where that is not as in the protocol."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch

from benchmarks.errors import UsageError, unknown
from benchmarks.expressions import Expression
from benchmarks.registry import METHODS, task_named
from benchmarks.settings import Settings, like_default
from irem_core.checks import at_least
from irem_core.descending import Descending
from irem_core.informed import informed
from irem_core.method import Method
from irem_core.search import Search, Searching
from irem_core.tasks import ShortestPath
from irem_core.types import Problem, Task

PLACES = ("random", "zero")


@dataclass(frozen=True)
class Inference(Search):
    """A way to ask; as it stands it is the protocol's.

    The fields of a search are those of ``irem_core.search.Search``.

    start: where a descent starts: at the ``random`` start of the problem, at ``zero``, or at the
        answer of a method that does not learn, such as ``trivial_quadratic``.
    expression: nested problems, such as ``addition(_, a)``; see ``benchmarks.expressions``.
    times: how often the expression is applied, ``_`` being the answer of the time before.
    shortcut: of shortest paths, methods are told two entries of the answer that the input does not
        show, from which others follow; see ``benchmarks.shortcut`` and ``irem_core.informed``.
    """

    start: str = "random"
    expression: str = ""
    times: int = 1
    shortcut: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, times=self.times)
        if self.start not in (starts := [*PLACES, *_do_not_learn()]):
            raise unknown("start", self.start, starts)
        if self.restarts > 1 and self.start != "random":
            raise ValueError(f"restarts are from random starts, not from {self.start!r}")
        if self.expression:
            parsed = Expression.parse(self.expression)
            object.__setattr__(self, "expression", parsed.text)  # however it was spaced
        if self.shortcut and self.expression:
            raise ValueError("shortcut is of one shortest path task, not of an expression")
        if self.shortcut and self.search != Search():
            raise ValueError("shortcut is told to a descent as in training, not to a search")
        if self.times > 1 and not (self.expression and parsed.repeats):
            raise ValueError(
                f"times is how often an expression is applied to its own answer, _, which is not "
                f"in {self.expression!r}"
            )

    @staticmethod
    def said(table: Any) -> Inference:
        """What a preset says. Raises UsageError for an unknown name or a value of another kind."""
        if isinstance(table, Inference):
            return table
        if not isinstance(table, dict):
            raise UsageError(f"A test is a table such as {{ restarts = 5 }}, not {table!r}.")
        for name in table:
            if name not in vars(USUAL):
                raise unknown("key of a test", name, vars(USUAL))
        return Inference(**{n: like_default(n, v, vars(USUAL)[n]) for n, v in table.items()})

    def unusual(self) -> Settings:
        """What differs from the protocol."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }

    @property
    def search(self) -> Search:
        """How to descend."""
        return Search(**{f.name: getattr(self, f.name) for f in fields(Search)})

    @property
    def tasks(self) -> list[str]:
        """Those that it is about, of an expression the outermost first; none if about any."""
        if self.shortcut:
            return [ShortestPath.name]
        return Expression.parse(self.expression).tasks if self.expression else []

    @property
    def usual_descent(self) -> bool:
        """Whether a descent starts and goes as in the protocol."""
        return replace(self, expression="", times=1, shortcut=False) == USUAL

    def suits(self, method: str, task: Task) -> bool:
        """Whether a method can be asked so about a task: only a descent can go another way."""
        tasks = [task]
        if names := self.tasks:
            tasks = [task_named(name)() for name in names] if names[0] == task.name else []
        answering = [METHODS[name] for name in (method, self.start) if name not in PLACES]
        able = all(each.answers_task(one) for each in answering for one in tasks)
        descends = issubclass(METHODS[method], Descending)
        return bool(tasks) and able and (self.usual_descent or descends)

    def of(self, method: Method) -> Method:
        """The method that answers so."""
        if self.shortcut:
            return informed(method)
        if self.search == Search():
            return method
        assert isinstance(method, Descending)
        return Searching(method, self.search)

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
