"""What everything else is written in: problems, batches, trajectories, energies and tasks."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, NamedTuple, Protocol, Self, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

R = TypeVar("R", bound="Rows")
T = TypeVar("T")


@dataclass(frozen=True)
class Rows:
    """Tensors that belong together: in every field, row b is about problem b."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))

    def __getitem__(self, index: slice | Tensor) -> Self:
        return self.map(lambda tensor: tensor[index])

    def named(self) -> dict[str, Tensor]:
        """Every tensor under its name, ``problem.x`` for one of an inner row."""
        tensors: dict[str, Tensor] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Rows):
                tensors |= {f"{field.name}.{name}": inner for name, inner in value.named().items()}
            elif value is not None:
                tensors[field.name] = value
        return tensors

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same rows with ``function`` applied to every tensor."""
        return combine(function, [self])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """The same rows on another device, numbers as another floating-point type."""
        return self.map(lambda t: t.to(device, dtype if t.is_floating_point() else t.dtype))


def combine(function: Callable[..., Tensor], rows: Sequence[R]) -> R:
    """Apply ``function`` field by field: ``combine(f, [a, b]).x`` is ``f(a.x, b.x)``."""

    def combined(name: str) -> Any:
        values = [getattr(row, name) for row in rows]
        if isinstance(values[0], Rows):
            return combine(function, values)
        return None if values[0] is None else function(*values)

    return replace(rows[0], **{field.name: combined(field.name) for field in fields(rows[0])})


def concatenate(rows: Sequence[R]) -> R:
    """All rows of the first, then all of the second, and so on."""
    return combine(lambda *tensors: torch.cat(tensors), rows)


@dataclass(frozen=True)
class Problem(Rows):
    """B problems, without their answers.

    x: the inputs, matrices flattened row by row.
    start: the answer that an iterative method starts from. It belongs to the problem, so that
        the order and the batching of problems never change an answer.
    nodes: how many each graph has; None for matrices. Inputs and answers of graphs are N x N, with
        zeros beyond their nodes.
    known: entries of the answer that are given, which only some methods can be told; nan elsewhere.
    """

    x: Float[Tensor, "B n_in"]
    start: Float[Tensor, "B n_out"]
    nodes: Int[Tensor, " B"] | None = None
    known: Float[Tensor, "B n_out"] | None = None

    @property
    def side(self) -> int:
        """Of the square that the answer is."""
        return math.isqrt(self.start.shape[1])

    @property
    def mask(self) -> Bool[Tensor, "B n_out"]:
        """Which entries of the answer there are."""
        if self.nodes is None:
            return torch.ones_like(self.start, dtype=torch.bool)
        return pair_mask(self.nodes, self.side)

    @property
    def entries(self) -> Int[Tensor, " B"]:
        """How many entries the answer of each problem has."""
        if self.nodes is None:
            return self.start.new_full((len(self),), self.start.shape[1], dtype=torch.long)
        return self.nodes**2


def pair_mask(nodes: Int[Tensor, " B"], side: int) -> Bool[Tensor, "B side*side"]:
    """Which pairs (i, j) of a side x side matrix are nodes of the graph, row by row."""
    inside = torch.arange(side, device=nodes.device) < nodes[:, None]  # [B, side]
    return (inside[:, :, None] & inside[:, None, :]).flatten(1)


@dataclass(frozen=True)
class Batch(Rows):
    """B problems and, apart from them, their answers."""

    problem: Problem
    target: Float[Tensor, "B n_out"]


class Step(NamedTuple):
    """What a method has after a number of steps.

    halting: of a method that decides itself when to stop, the probability that it halts here if it
        has not halted before.
    candidates: of a method that descends from several starts, the answers that this one is the best
        of by their energy.
    """

    answer: Float[Tensor, "B n_out"]
    halting: Float[Tensor, " B"] | None = None
    candidates: Float[Tensor, "B K n_out"] | None = None


def last(steps: Iterable[T]) -> T:
    """The last of them, the others let go as they come."""
    return deque(steps, maxlen=1).pop()


@dataclass(frozen=True)
class Trajectory:
    """A whole solve: ``answers[t]`` is the answer after t steps, ``answers[0]`` the start.

    ``energies[t]`` is the energy of ``answers[t]``; None for a method that has no energy.
    ``halting[t]`` is the probability of halting at step t, if not before; None for a method that
    does not decide it, and 0 at the start.
    A method that is done early gives fewer answers than it was allowed steps.
    """

    answers: Float[Tensor, "T+1 B n_out"]
    energies: Float[Tensor, "T+1 B"] | None
    halting: Float[Tensor, "T+1 B"] | None = None


def described(task: Any) -> str:
    """A task as text: its name, its size, and the values that are not the default.

    Random streams and keys are made from it, so that a value added later changes no old result.
    """
    usual = {field.name: field.default for field in fields(task)}
    values = {k: v for k, v in vars(task).items() if k == "size" or v != usual[k]}
    return f"{task.name}({', '.join(f'{name}={value}' for name, value in values.items())})"


StepRule = Callable[[Float[Tensor, "B n_out"], Float[Tensor, "B n_out"]], Float[Tensor, "B n_out"]]
"""From an answer and its energy's gradient to the next answer."""


class Landscape(Protocol):
    """E(x, .) of given problems: how badly each answer fits, and where it would fit better."""

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]: ...

    def gradient(
        self, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]:
        """dE/dy; with ``keep_graph`` it can be differentiated, else it needs no autograd."""
        ...

    def leap(
        self, answer: Float[Tensor, "B n_out"], steps: int, rule: StepRule
    ) -> Float[Tensor, "B n_out"]:
        """The answer after ``steps`` steps of descent, where none between is asked for.

        No graph is kept. The rule must be linear in the answer and the gradient.
        """
        ...


class Energy(Protocol):
    """E(x, y)."""

    def __call__(
        self, problem: Problem, answer: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, " B"]: ...

    def at(self, problem: Problem) -> Landscape:
        """The energy of answers to ``problem``; what depends on it alone is computed once."""
        ...


class Task(Protocol):
    """A distribution of problems with known answers: a frozen value that can be compared and named.

    domain: ``matrix`` or ``graph``, which decides the networks that fit.
    entrywise: no reasoning is needed, by definition: entry (i, j) of the answer depends on the
        inputs at (i, j) alone.
    binary: answers are 0 or 1, and right on their side of 1/2.
    """

    name: ClassVar[str]
    domain: ClassVar[str]
    entrywise: ClassVar[bool]
    binary: ClassVar[bool]

    def __hash__(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def n_in(self) -> int: ...

    @property
    def n_out(self) -> int: ...

    def difficulty_of(self, size: int) -> str:
        """The difficulty that follows from a size alone."""
        ...

    def levels(self) -> list[str]:
        """The parameters that make test problems harder or easier, NAME of NAME=VALUE."""
        ...

    def test(self, size: int, difficulty: str | float) -> Self:
        """The task that test problems of a size and difficulty are drawn from."""
        ...

    def check(self, problem: Problem) -> None:
        """Raise ValueError if a problem is not of the shape that the task's are."""
        ...

    def draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Batch:
        """``count`` fresh problems, drawn on the generator's device."""
        ...
