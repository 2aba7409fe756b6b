"""Nested problems: learned solvers whose answers are inputs of others.

``addition(addition(a, b), c)`` is a problem, and so is
``connected_components(shortest_path(w) < 0.4)``: a call is a task, a name an input that is drawn as
the task around it draws its inputs, and ``<`` makes a graph of the edges below a threshold. ``_``
is the answer of the time before where an expression is applied again and again, and an input like
any other the first time; all other inputs are new every time.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from benchmarks.registry import task_named
from irem_core.streams import stream
from irem_core.types import Batch, Problem, Task

PREVIOUS = "_"

Solve = Callable[[Problem], Float[Tensor, "B n_out"]]


@dataclass(frozen=True)
class Input:
    """An input by its name."""

    name: str


@dataclass(frozen=True)
class Below:
    """1 where the values of a graph's edges are below a threshold, else 0."""

    values: Node
    threshold: float


@dataclass(frozen=True)
class Call:
    """The answer to a task's problem."""

    task: str
    inputs: tuple[Node, ...]


Node = Input | Below | Call


@dataclass(frozen=True)
class Expression:
    """A parsed expression: its text, however it was spaced, and the outermost call."""

    text: str
    root: Call

    @staticmethod
    def parse(text: str) -> Expression:
        """Raises ValueError, which names what is wrong, or UsageError for an unknown task."""
        try:
            body = ast.parse(text.strip(), mode="eval").body
            root = _parsed(body)
        except SyntaxError as error:
            raise ValueError(f"expression {text!r} cannot be read: {error.msg}") from error
        if not isinstance(root, Call):
            raise ValueError(f"expression {text!r} must be a task: TASK(...)")
        if len({task_named(name).domain for name in _tasks(root)}) > 1:
            raise ValueError(f"expression {text!r}: a matrix is no graph, nor a graph a matrix")
        return Expression(ast.unparse(body), root)

    @property
    def task(self) -> str:
        """The outermost one."""
        return self.root.task

    @property
    def repeats(self) -> bool:
        """Whether it goes on from its own answer."""
        return PREVIOUS in _inputs(self.root)

    @property
    def tasks(self) -> list[str]:
        """All of them, each once, the outermost first."""
        return list(dict.fromkeys(_tasks(self.root)))


def _parsed(node: ast.expr) -> Node:
    match node:
        case ast.Name(id=name):
            return Input(name)
        case ast.Compare(left=left, ops=[ast.Lt()], comparators=[number]):
            return Below(_parsed(left), _number(number))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            task = task_named(name)
            if not hasattr(task, "exact"):
                raise ValueError(f"{name} has no exact answer and cannot be part of an expression")
            wanted = getattr(task, "matrices", 1)
            if len(args) != wanted:
                raise ValueError(f"{name} takes {wanted} inputs in an expression, not {len(args)}")
            return Call(name, tuple(_parsed(arg) for arg in args))
    raise ValueError(
        f"{ast.unparse(node)!r} can be no part of an expression: write TASK(...), the name of an "
        "input, or ... < NUMBER"
    )


def _number(node: ast.expr) -> float:
    said = ast.unparse(node)
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"after < there must be a number, not {said}")
    return number


def _inputs(node: Node) -> list[str]:
    if isinstance(node, Call):
        return [name for each in node.inputs for name in _inputs(each)]
    return _inputs(node.values) if isinstance(node, Below) else [node.name]


def _tasks(node: Node) -> list[str]:
    if isinstance(node, Call):
        return [node.task, *(name for each in node.inputs for name in _tasks(each))]
    return _tasks(node.values) if isinstance(node, Below) else []


class Values(NamedTuple):
    """What a node is worth: by exact algorithms, and by the solvers."""

    exact: Float[Tensor, "B n_out"]
    learned: Float[Tensor, "B n_out"]


class Nested:
    """An expression with solvers of its tasks, applied to ``count`` problems.

    tasks: those that every part is drawn from, of one size; solvers: by the name of a task.
    purpose: problems that are drawn for another are others.
    """

    def __init__(
        self,
        text: str,
        tasks: Iterable[Task],
        solvers: Mapping[str, Solve],
        count: int,
        purpose: str = "expression",
    ) -> None:
        self.expression, self.solvers, self.purpose = Expression.parse(text), solvers, purpose
        self.tasks = {task.name: task for task in tasks}
        self.count = count
        self.batch = cache(self._batch)  # of times: the one before is what the next goes on from
        self.answer = cache(self._answer)

    def error(self, times: int) -> float:
        """Mean squared error of the whole after so many times."""
        answer = self.answer(times)
        return (answer.learned - answer.exact).square().mean().item()

    def whole(self, times: int) -> Batch:
        """The problems as if they were one: the first input there was, and the exact answer."""
        first = _Time(self, 1)
        problem = first.batch(self.expression.root).problem
        name = _inputs(self.expression.root)[0]
        return Batch(replace(problem, x=first.inputs[name].exact), self.batch(times).target)

    def _batch(self, times: int) -> Batch:
        """The outermost problems after so many times, with the solvers' answers as their inputs.

        The targets are those of exact algorithms all the way.
        """
        for earlier in range(1, times):  # one after the other, so that no one waits for many
            self.answer(earlier)
        return _Time(self, times).batch(self.expression.root)

    def _answer(self, times: int) -> Values:
        batch = self.batch(times)
        return Values(batch.target, self.solvers[self.expression.task](batch.problem))


class _Time:
    """One application of an expression; its inputs come from streams of their own."""

    def __init__(self, nested: Nested, times: int) -> None:
        self.nested, self.times = nested, times
        self.calls = 0
        self.inputs: dict[str, Values] = {}

    def batch(self, call: Call) -> Batch:
        """The problems of a call."""
        task, text = self.nested.tasks[call.task], self.nested.expression.text
        self.calls += 1
        generator = stream(self.nested.purpose, text, task, self.times, self.calls)
        drawn = task.draw(self.nested.count, generator, torch.float64).problem
        fresh = drawn.x.chunk(len(call.inputs), dim=1)
        pairs = zip(call.inputs, fresh, strict=True)
        values = [self.value(node, if_input) for node, if_input in pairs]
        exact = replace(drawn, x=torch.cat([each.exact for each in values], dim=1))
        learned = torch.cat([each.learned.to(exact.x) for each in values], dim=1)
        target = task.exact(exact)  # type: ignore[attr-defined]
        return Batch(replace(drawn, x=learned), target)

    def value(self, node: Node, if_input: Tensor) -> Values:
        """What a node is worth, if it is an input the values that were drawn for it."""
        match node:
            case Input(name):
                return self.inputs.setdefault(name, self._input(name, if_input))
            case Below(values, threshold):
                below = self.value(values, if_input)
                return Values(*((each < threshold).to(torch.float64) for each in below))
            case Call():
                batch = self.batch(node)
                return Values(batch.target, self.nested.solvers[node.task](batch.problem))

    def _input(self, name: str, drawn: Tensor) -> Values:
        if name == PREVIOUS and self.times > 1:
            return self.nested.answer(self.times - 1)
        return Values(drawn, drawn)
