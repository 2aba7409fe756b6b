"""Matrix reasoning (Du et al., 2022): addition, completion, inverse."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.checks import at_least, positive
from irem_core.types import Batch, Problem, described


def uniform(
    shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype, bound: float = 1.0
) -> Tensor:
    """Entries from U(-bound, bound)."""
    unit = torch.rand(shape, generator=generator, device=generator.device, dtype=dtype)
    return unit.mul_(2).sub_(1).mul_(bound)


@dataclass(frozen=True)
class MatrixTask(ABC):
    """From one or more n x n matrices to one n x n matrix, n being ``size``."""

    size: int = 20

    name: ClassVar[str]
    domain: ClassVar[str] = "matrix"
    difficulty: ClassVar[str]
    harder: ClassVar[float]
    entrywise: ClassVar[bool] = False
    binary: ClassVar[bool] = False
    matrices: ClassVar[int] = 1  # in the input

    def __post_init__(self) -> None:
        at_least(1, size=self.size)
        level = getattr(self, self.difficulty)
        positive(**{self.difficulty: level})
        object.__setattr__(self, self.difficulty, float(level))  # 1 and 1.0 are the same task

    __str__ = described

    @property
    def n_in(self) -> int:
        return self.matrices * self.n_out

    @property
    def n_out(self) -> int:
        return self.size**2

    def at(self, difficulty: str | float) -> Self:
        """The same task at another difficulty; ``same`` is the task as it stands.

        A number is a value of the difficulty parameter, ``ridge=0.2`` one of any parameter.
        """
        if difficulty == "same":
            return self
        level = self.harder if difficulty == "harder" else difficulty
        name, _, value = str(level).rpartition("=")
        name = name or self.difficulty
        try:
            changed: dict[str, Any] = {name: float(value)}
        except ValueError:
            name = ""
        if name not in self.levels():
            raise ValueError(
                f"{self.name}: difficulty must be 'same', 'harder', a value of {self.difficulty} "
                f"or NAME=VALUE, NAME one of {', '.join(self.levels())}, not {difficulty!r}"
            )
        return replace(self, **changed)

    def levels(self) -> list[str]:
        """The parameters that make test problems harder or easier."""
        return [field.name for field in fields(self) if isinstance(field.default, float)]

    def difficulty_of(self, size: int) -> str:
        """``same``: the size of a matrix does not make it harder, its difficulty parameter does."""
        return "same"

    def test(self, size: int, difficulty: str | float) -> Self:
        """The task of a size at a difficulty."""
        return replace(self, size=size).at(difficulty)

    def check(self, problem: Problem) -> None:
        for field, width in (("x", self.n_in), ("start", self.n_out)):
            shape = list(getattr(problem, field).shape)
            if shape != [len(problem), width]:
                raise ValueError(
                    f"{self}: {field} must be of shape [{len(problem)}, {width}], not {shape}"
                )
            if not getattr(problem, field).isfinite().all():
                raise ValueError(f"{self}: {field} has entries that are not finite")

    def draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype = torch.float32
    ) -> Batch:
        """``count`` fresh problems with starts from U(-1, 1), on the generator's device."""
        inputs, answer = self._draw(count, generator, dtype)
        start = uniform((count, self.n_out), generator, dtype)
        return Batch(Problem(inputs.flatten(1), start), answer.flatten(1))

    def problem(self, *matrices: Tensor, seed: int = 0) -> Problem:
        """Problems of one's own, from ``matrices`` each [n, n] or [B, n, n].

        The start is drawn from U(-1, 1) by ``seed``. Raises ValueError for another number or shape
        of matrices and for entries that are not finite.
        """
        if len(matrices) != self.matrices:
            raise ValueError(f"{self.name} takes {self.matrices} matrices, not {len(matrices)}")
        for matrix in matrices:
            if matrix.shape[-2:] != (self.size, self.size) or matrix.ndim not in (2, 3):
                raise ValueError(
                    f"{self.name} of size {self.size} takes matrices of shape "
                    f"[{self.size}, {self.size}] or [B, {self.size}, {self.size}], "
                    f"not {list(matrix.shape)}"
                )
            if not matrix.isfinite().all():
                raise ValueError(f"{self.name}: a matrix has entries that are not finite")
        rows = [matrix.reshape(-1, self.n_out) for matrix in matrices]  # [B, n²] each
        if len({len(row) for row in rows}) > 1:
            raise ValueError(
                f"{self.name} takes as many of each matrix, not {[len(row) for row in rows]}"
            )
        x = torch.cat(rows, dim=1)
        x = x if x.is_floating_point() else x.to(torch.get_default_dtype())
        generator = torch.Generator().manual_seed(seed)
        return Problem(x, uniform((len(x), self.n_out), generator, x.dtype).to(x.device))

    @abstractmethod
    def _draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "B ... n n"], Float[Tensor, "B n n"]]:
        """Input matrices and the answer."""


@dataclass(frozen=True)
class Addition(MatrixTask):
    """A, B with entries from U(-scale, scale) -> A + B."""

    scale: float = 1.0

    name: ClassVar[str] = "addition"
    difficulty: ClassVar[str] = "scale"
    harder: ClassVar[float] = 2.5
    entrywise: ClassVar[bool] = True
    matrices: ClassVar[int] = 2

    def _draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "B 2 n n"], Float[Tensor, "B n n"]]:
        terms = uniform((count, 2, self.size, self.size), generator, dtype, self.scale)
        return terms, terms.sum(dim=1)

    def exact(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        """The right answers to any problems of this kind."""
        return problem.x.unflatten(1, (2, -1)).sum(dim=1)


@dataclass(frozen=True)
class Completion(MatrixTask):
    """M * R -> R: of a noisy matrix of low rank each entry is observed by chance, or else 0.

    R = amplitude * U V' + 0.1 N with U and V n x 10, all from N(0, 1). The answer includes the
    noise, and no channel says which entries were observed; ``observed`` is their expected share.
    Another ``rank`` leaves the entries the variance that they have at 10.
    """

    amplitude: float = 1 / 20
    rank: int = 10
    observed: float = 0.5

    name: ClassVar[str] = "completion"
    difficulty: ClassVar[str] = "amplitude"
    harder: ClassVar[float] = 1 / 5
    noise: ClassVar[float] = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, rank=self.rank)
        positive(observed=self.observed)
        if self.observed > 1:
            raise ValueError(f"observed must be at most 1, not {self.observed!r}")
        object.__setattr__(self, "observed", float(self.observed))

    def _draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "B n n"], Float[Tensor, "B n n"]]:
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator, device=generator.device, dtype=dtype)

        n = self.size
        low_rank = normal(count, n, self.rank) @ normal(count, self.rank, n)
        amplitude = self.amplitude * math.sqrt(10 / self.rank)
        answer = amplitude * low_rank + self.noise * normal(count, n, n)
        chance = torch.rand(
            answer.shape, generator=generator, device=generator.device, dtype=torch.float32
        )
        return torch.where(chance < self.observed, answer, 0), answer


@dataclass(frozen=True)
class Inverse(MatrixTask):
    """S = 2 R R' + ridge * I with entries of R from U(-1, 1) -> the inverse of S."""

    ridge: float = 0.5

    name: ClassVar[str] = "inverse"
    difficulty: ClassVar[str] = "ridge"
    harder: ClassVar[float] = 0.1

    def _draw(
        self, count: int, generator: torch.Generator, dtype: torch.dtype
    ) -> tuple[Float[Tensor, "B n n"], Float[Tensor, "B n n"]]:
        root = uniform((count, self.size, self.size), generator, dtype)
        eye = torch.eye(self.size, dtype=dtype, device=root.device)
        matrix = 2 * root @ root.mT + self.ridge * eye
        # always there, the ridge being positive; to check it the host would have to wait
        return matrix, torch.linalg.inv_ex(matrix).inverse

    def exact(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        """The right answers to any problems of this kind; not finite where there is none."""
        matrices = problem.x.unflatten(1, (self.size, self.size))
        return torch.linalg.inv_ex(matrices).inverse.flatten(1)
