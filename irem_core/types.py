"""What everything else is written in: problems, batches, trajectories, energies and tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Protocol, Self, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

R = TypeVar("R", bound="Rows")


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
            inner = value.named() if isinstance(value, Rows) else {"": value}
            tensors |= {f"{field.name}.{name}".rstrip("."): v for name, v in inner.items()}
        return tensors

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same rows with ``function`` applied to every tensor."""
        return combine(function, [self])

    def to(self, device: torch.device | str, dtype: torch.dtype) -> Self:
        """The same rows on another device and as another floating-point type."""
        return self.map(lambda tensor: tensor.to(device, dtype))


def combine(function: Callable[..., Tensor], rows: Sequence[R]) -> R:
    """Apply ``function`` field by field: ``combine(f, [a, b]).x`` is ``f(a.x, b.x)``."""

    def combined(name: str) -> Any:
        values = [getattr(row, name) for row in rows]
        return combine(function, values) if isinstance(values[0], Rows) else function(*values)

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
    """

    x: Float[Tensor, "B n_in"]
    start: Float[Tensor, "B n_out"]


@dataclass(frozen=True)
class Batch(Rows):
    """B problems and, apart from them, their answers."""

    problem: Problem
    target: Float[Tensor, "B n_out"]


@dataclass(frozen=True)
class Trajectory:
    """A whole solve: ``answers[t]`` is the answer after t steps, ``answers[0]`` the start.

    ``energies[t]`` is the energy of ``answers[t]``; None for a method that has no energy.
    A method that is done early gives fewer answers than it was allowed steps.
    """

    answers: Float[Tensor, "T+1 B n_out"]
    energies: Float[Tensor, "T+1 B"] | None

    def pick(self, step: Int[Tensor, " B"]) -> Float[Tensor, "B n_out"]:
        """The answer of each problem after its own number of steps."""
        return self.answers[step, torch.arange(len(step), device=step.device)]


class Energy(Protocol):
    """E(x, y): how badly each answer fits its problem."""

    def __call__(
        self, problem: Problem, answer: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, " B"]: ...


class Task(Protocol):
    """A distribution of problems with known answers: a frozen value that can be compared and named.

    ``difficulty`` names the field that makes problems harder, ``harder`` is its value in the paper.
    ``entrywise`` tasks need no reasoning by definition: entry (i, j) of the answer depends on the
    inputs at (i, j) alone.
    """

    name: ClassVar[str]
    domain: ClassVar[str]
    difficulty: ClassVar[str]
    harder: ClassVar[float]
    entrywise: ClassVar[bool]

    @property
    def size(self) -> int: ...

    @property
    def n_in(self) -> int: ...

    @property
    def n_out(self) -> int: ...

    def at(self, difficulty: str | float) -> Self:
        """The same task at ``same``, ``harder`` or any value of its difficulty parameter."""
        ...

    def draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Batch:
        """``count`` fresh problems, drawn on the generator's device."""
        ...
