"""Trivial predictors: entry (i, j) of the answer depends on the input at entry (i, j) alone.

A method that is no better than these has not reasoned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from irem_core.method import Method
from irem_core.streams import stream
from irem_core.tasks import ConnectedComponents, EdgeCopy
from irem_core.types import Batch, Problem, Step, Task

FITTED_ON = 4096  # problems


class Trivial(Method):
    """A polynomial in the input entry, the diagonal and the other entries apart.

    Fitted by least squares on the task's training distribution. For a task that is entrywise by
    definition a fitted polynomial would be the algorithm itself: only constants and copies count.
    """

    learns = False
    ends = True
    any_size = True
    degree: ClassVar[int]

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.register_buffer("coefficients", self._fit())  # [2, degree+1]: off, on the diagonal
        self.coefficients: Tensor

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return cls.degree == 0 or not task.entrywise

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        if steps:
            yield Step(self._predict(problem))

    def _predict(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        on_diagonal = _diagonal(problem).long()  # [n_out]
        entries = (self._powers(problem) * self.coefficients[on_diagonal]).sum(dim=2)
        return entries * problem.mask

    def _fit(self) -> Float[Tensor, "2 degree+1"]:
        return self.fitted(self.task.draw(FITTED_ON, stream("trivial", self.task), torch.float64))

    def fitted(self, sample: Batch) -> Float[Tensor, "2 degree+1"]:
        """The coefficients of the least error on a sample; its inputs need not be the task's."""
        diagonal = _diagonal(sample.problem)
        return torch.stack([self._least_squares(sample, where) for where in (~diagonal, diagonal)])

    def _least_squares(self, sample: Batch, where: Tensor) -> Float[Tensor, " degree+1"]:
        """The coefficients of least norm, 0 where there are no entries."""
        there = sample.problem.mask & where  # [B, n_out]
        powers, target = self._powers(sample.problem)[there], sample.target[there]
        return torch.linalg.pinv(powers.T @ powers, hermitian=True) @ (powers.T @ target)

    def _powers(self, problem: Problem) -> Float[Tensor, "B n_out degree+1"]:
        exponents = torch.arange(self.degree + 1, device=problem.x.device)
        return self._entries(problem)[:, :, None] ** exponents

    def _entries(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        """The input at each entry of the answer; of several matrices, the first."""
        entries = problem.x[:, : problem.start.shape[1]]
        if not isinstance(self.task, ConnectedComponents):
            return entries
        directed = entries.unflatten(1, (problem.side, problem.side))  # weakly: either direction
        return torch.maximum(directed, directed.mT).flatten(1)


def _diagonal(problem: Problem) -> Bool[Tensor, " n_out"]:
    return torch.eye(problem.side, dtype=torch.bool, device=problem.x.device).flatten()


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
    """The first input matrix as it is: for completion, what is observed and 0 elsewhere.

    For edge copy that is the algorithm.
    """

    name = "trivial_copy"
    degree = 1

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return not isinstance(task, EdgeCopy)

    def _fit(self) -> Float[Tensor, "2 2"]:
        return torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
