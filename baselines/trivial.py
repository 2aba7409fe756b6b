"""The ladder of trivial predictors: what can be written down without any reasoning.

The rungs are the mean answer, the input as it is, a polynomial in the input at the same entry, the
same with coefficients that depend on the size, and one linear pass over the row and column of the
entry. A method that is no better than the best rung below the last has not reasoned; the last one
is shown beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.streams import stream
from irem_core.tasks import ConnectedComponents, EdgeCopy
from irem_core.types import Batch, Problem, Step, Task

FITTED_ON = 4096  # problems
CHUNK = 4096  # problems at once: that bounds the memory


class Trivial(Method):
    """Linear in features of the input at an entry, the diagonal and the other entries apart.

    Fitted by least squares on the task's training distribution. For a task that is entrywise by
    definition a fitted predictor would be the algorithm itself: only constants and copies count.
    """

    learns = False
    ends = True
    any_size = True
    fitted_on: ClassVar[int] = FITTED_ON

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.register_buffer("coefficients", None)  # [2, F]: off, on the diagonal
        self.coefficients: Tensor
        self.fit(task.draw(self.fitted_on, stream("trivial", task), torch.float64))

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return not task.entrywise

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        if steps:
            yield Step(self._predict(problem))

    def features(self, problem: Problem) -> Float[Tensor, "B n_out F"]:
        """What the answer at every entry may depend on."""
        raise NotImplementedError

    def fit(self, sample: Batch) -> None:
        """Take the coefficients of the least error on a sample, whose inputs may be another's."""
        diagonal = _diagonal(sample.problem)
        parts = [self._least_squares(sample, where) for where in (~diagonal, diagonal)]
        self.coefficients = torch.stack(parts)

    def _predict(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        on_diagonal = _diagonal(problem).long()  # [n_out]
        entries = (self.features(problem) * self.coefficients[on_diagonal]).sum(dim=2)
        return entries * problem.mask

    def _least_squares(self, sample: Batch, where: Tensor) -> Float[Tensor, " F"]:
        """The coefficients of least norm, 0 where there are no entries."""
        squares, products = [], []
        for first in range(0, len(sample), CHUNK):
            part = sample[first : first + CHUNK]
            there = part.problem.mask & where  # [B, n_out]
            features, target = self.features(part.problem)[there], part.target[there]
            squares.append(features.T @ features)
            products.append(features.T @ target)
        return torch.linalg.pinv(sum(squares), hermitian=True) @ sum(products)

    def _entries(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        """The input at each entry of the answer; of several matrices, the first."""
        entries = problem.x[:, : problem.start.shape[1]]
        if not isinstance(self.task, ConnectedComponents):
            return entries
        directed = entries.unflatten(1, (problem.side, problem.side))  # weakly: either direction
        return torch.maximum(directed, directed.mT).flatten(1)


class TrivialPolynomial(Trivial):
    """A polynomial in the input entry."""

    degree: ClassVar[int]

    def features(self, problem: Problem) -> Float[Tensor, "B n_out degree+1"]:
        """The powers of the input entry."""
        exponents = torch.arange(self.degree + 1, device=problem.x.device)
        return self._entries(problem)[:, :, None] ** exponents


class TrivialConstant(TrivialPolynomial):
    """The mean answer."""

    name = "trivial_constant"
    degree = 0

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return True


class TrivialLinear(TrivialPolynomial):
    """Degree 1 in the input entry."""

    name = "trivial_linear"
    degree = 1


class TrivialQuadratic(TrivialPolynomial):
    """Degree 2 in the input entry."""

    name = "trivial_quadratic"
    degree = 2


class TrivialCopy(TrivialPolynomial):
    """The first input matrix as it is: for completion, what is observed and 0 elsewhere.

    For edge copy that is the algorithm.
    """

    name = "trivial_copy"
    degree = 1

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return not isinstance(task, EdgeCopy)

    def fit(self, sample: Batch) -> None:
        """Nothing is fitted, whatever the sample."""
        self.coefficients = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)


class TrivialEntrySize(Trivial):
    """Degree 2 in the input entry, with coefficients that depend on the number of nodes n.

    They are linear in 1, 1/n and log(n)/n. Where training has one size only they would be
    constants, so matrix tasks are not answered. To extrapolate it needs more problems than others.
    """

    name = "trivial_entry_size"
    fitted_on = 16_384

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return task.domain == "graph" and not task.entrywise

    def features(self, problem: Problem) -> Float[Tensor, "B n_out 9"]:
        """The powers of the input entry, each by every function of the size."""
        assert problem.nodes is not None
        exponents = torch.arange(3, device=problem.x.device)
        powers = self._entries(problem)[:, :, None] ** exponents  # [B, n_out, 3]
        n = problem.nodes.to(powers.dtype)
        by_size = torch.stack([torch.ones_like(n), 1 / n, n.log() / n], dim=1)  # [B, 3]
        return (powers[..., None] * by_size[:, None, None]).flatten(2)


class TrivialRow(Trivial):
    """One linear pass: degree 2 in the entry and one statistic of its row and of its column.

    The statistic is the minimum, maximum or mean over the other nodes of a graph, or over all
    entries of a matrix, whichever has the lowest error on the training distribution.
    """

    name = "trivial_row"
    statistic = "minimum"

    def fit(self, sample: Batch) -> None:
        """Take the statistic, and its coefficients, of the least error on a sample."""
        fits = []
        for statistic in STATISTICS:
            self.statistic = statistic
            super().fit(sample)
            error = mean_squared_error(self._predict(sample.problem), sample).item()
            fits.append((error, statistic, self.coefficients))
        _, self.statistic, self.coefficients = min(fits, key=lambda fit: fit[0])

    def features(self, problem: Problem) -> Float[Tensor, "B n_out 10"]:
        """The monomials of degree 0 to 2 in the entry, and in its row's and column's statistic."""
        side = problem.side
        entries = self._entries(problem)
        table, there = (t.unflatten(1, (side, side)) for t in (entries, problem.mask))
        if problem.nodes is not None:
            there = there & ~torch.eye(side, dtype=torch.bool, device=entries.device)
        of = STATISTICS[self.statistic]
        row, column = of(table, there, 2).expand_as(table), of(table, there, 1).expand_as(table)
        one = torch.ones_like(entries)
        seen = torch.stack([one, entries, row.flatten(1), column.flatten(1)], dim=2)
        first, second = torch.triu_indices(4, 4, device=entries.device)
        return seen[..., first] * seen[..., second]


def _least(table: Tensor, there: Tensor, dim: int) -> Tensor:
    """The minimum over a dimension of what is there; 0 where nothing is."""
    least = table.masked_fill(~there, torch.inf).amin(dim, keepdim=True)
    return least.masked_fill(~there.any(dim, keepdim=True), 0)


def _most(table: Tensor, there: Tensor, dim: int) -> Tensor:
    return -_least(-table, there, dim)


def _mean(table: Tensor, there: Tensor, dim: int) -> Tensor:
    return (table * there).sum(dim, keepdim=True) / there.sum(dim, keepdim=True).clamp(min=1)


STATISTICS = {"minimum": _least, "maximum": _most, "mean": _mean}


def _diagonal(problem: Problem) -> Bool[Tensor, " n_out"]:
    return torch.eye(problem.side, dtype=torch.bool, device=problem.x.device).flatten()
