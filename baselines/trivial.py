"""Trivial predictors: entry (i, j) of the answer depends on the input at entry (i, j) alone.

A method that is no better than these has not reasoned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.method import Method
from irem_core.streams import stream
from irem_core.types import Batch, Problem, Task

FITTED_ON = 4096  # problems


class Trivial(Method):
    """A polynomial in the input entry, the diagonal and the other entries apart.

    Fitted by least squares on the task's training distribution. For a task that is entrywise by
    definition a fitted polynomial would be the algorithm itself: only constants and copies count.
    """

    learns = False
    degree: ClassVar[int]

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.register_buffer("coefficients", self._fit())  # [2, degree+1]: off, on the diagonal
        self.coefficients: Tensor

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return cls.degree == 0 or not task.entrywise

    def unroll(self, problem: Problem, steps: int) -> Iterator[Float[Tensor, "B n_out"]]:
        yield problem.start
        if steps:
            yield self._predict(problem.x)

    def _predict(self, x: Float[Tensor, "B n_in"]) -> Float[Tensor, "B n_out"]:
        on_diagonal = self._diagonal().long().to(x.device)  # [n_out]
        return (self._powers(x) * self.coefficients[on_diagonal]).sum(dim=2)

    def _fit(self) -> Float[Tensor, "2 degree+1"]:
        sample = self.task.draw(FITTED_ON, stream("trivial", self.task), torch.float64)
        diagonal = self._diagonal()
        return torch.stack([self._least_squares(sample, where) for where in (~diagonal, diagonal)])

    def _least_squares(self, sample: Batch, where: Tensor) -> Float[Tensor, " degree+1"]:
        """The coefficients of least norm, 0 where there are no entries."""
        powers = self._powers(sample.problem.x)[:, where].flatten(0, 1)  # [entries, degree+1]
        target = sample.target[:, where].flatten()
        return torch.linalg.pinv(powers.T @ powers, hermitian=True) @ (powers.T @ target)

    def _powers(self, x: Float[Tensor, "B n_in"]) -> Float[Tensor, "B n_out degree+1"]:
        exponents = torch.arange(self.degree + 1, device=x.device)
        return x[:, : self.task.n_out, None] ** exponents

    def _diagonal(self) -> Tensor:
        return torch.eye(self.task.size, dtype=torch.bool).flatten()


class TrivialConstant(Trivial):
    """The mean answer."""

    name = "trivial_constant"
    degree = 0


class TrivialLinear(Trivial):
    """Degree 1 in the input entry."""

    name = "trivial_linear"
    degree = 1


class TrivialQuadratic(Trivial):
    """Degree 2 in the input entry."""

    name = "trivial_quadratic"
    degree = 2


class TrivialCopy(Trivial):
    """The first input matrix as it is: for completion, what is observed and 0 elsewhere."""

    name = "trivial_copy"
    degree = 1

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return True

    def _fit(self) -> Float[Tensor, "2 2"]:
        return torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
