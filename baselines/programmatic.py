"""The classical algorithm of every task, a round a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.method import Method
from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.tasks.graph import reachability, squarings
from irem_core.types import Problem, Step, Task

Rounds = Iterator[Float[Tensor, "B n_out"]]
"""The answers after one round, two rounds, and so on until the algorithm is done."""


class Programmatic(Method):
    """Nothing is learned: it stands on the same axis of steps as what is."""

    name = "programmatic"
    learns = False
    ends = True
    any_size = True

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return type(task) in ALGORITHMS

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        yield from map(Step, islice(ALGORITHMS[type(self.task)](self.task, problem), steps))


def add(task: Addition, problem: Problem) -> Rounds:
    """A + B."""
    yield problem.x.unflatten(1, (2, -1)).sum(dim=1)


def copy(task: EdgeCopy, problem: Problem) -> Rounds:
    """The edges as they are."""
    yield problem.x


def square_reachability(task: ConnectedComponents, problem: Problem) -> Rounds:
    """Who reaches whom, by squaring the boolean matrix as often as paths can need."""
    for reach in reachability(_square(problem.x).bool()):
        yield reach.flatten(1) * problem.mask.to(problem.x.dtype)


def square_min_plus(task: ShortestPath, problem: Problem) -> Rounds:
    """D <- min_k D_ik + D_kj: every round allows twice as many edges on the way."""
    lengths = _square(problem.x.masked_fill(~problem.mask, torch.inf))
    lengths.diagonal(dim1=1, dim2=2).clamp_(max=0)  # staying where one is costs nothing
    for _ in range(squarings(problem.side)):
        shorter = lengths
        for via in range(problem.side):
            detour = lengths[:, :, via, None] + lengths[:, None, via, :]
            shorter = torch.minimum(shorter, detour)
        lengths = shorter
        yield lengths.flatten(1).masked_fill(~problem.mask, 0)


def newton_schulz(task: Inverse, problem: Problem) -> Rounds:
    """X <- X (2 I - S X) from I / ||S||_1 (Schulz, 1933), until I - S X no longer gets smaller.

    The start is close enough for every positive definite S, as the task's are. For another matrix
    the answer is the last one before I - S X stopped getting smaller, which need not be near.
    """
    matrix = _square(problem.x)  # [B, n, n]
    eye = torch.eye(problem.side, dtype=matrix.dtype, device=matrix.device)
    norm = torch.linalg.matrix_norm(matrix, ord=1)
    inverse = eye / norm.where(norm > 0, 1)[:, None, None]  # of 0 there is none: whatever is finite
    residual = eye - matrix @ inverse
    size = torch.linalg.matrix_norm(residual)
    going = torch.ones_like(size, dtype=torch.bool)
    while going.any():
        better = inverse + inverse @ residual
        residual = eye - matrix @ better
        before, size = size, torch.linalg.matrix_norm(residual)
        going = going & (size < before)
        inverse = better.where(going[:, None, None], inverse)
        yield inverse.flatten(1)


SHRINKAGE = 3.0  # of soft_impute, in units of the shrinkage at the mode of the posterior
TOLERANCE = 1e-4  # of soft_impute: root mean square change of an entry


def soft_impute(task: Completion, problem: Problem) -> Rounds:
    """Fill in, shrink the singular values, fill in with the result (Mazumder et al., 2010).

    At the mode of the posterior singular values are shrunk by noise² / amplitude; its mean, which
    errs less, is shrunk more: SHRINKAGE times that errs least on problems of the training
    distribution. The amplitude is estimated from the variance of what is observed.
    """
    known = _square(problem.x)  # [B, n, n]
    observed = known != 0
    variance = (known.square().sum((1, 2)) / observed.sum((1, 2)).clamp(min=1)) - task.noise**2
    amplitude = (variance.clamp(min=0) / task.rank).sqrt()  # 0 where nothing but noise is seen
    shrinkage = SHRINKAGE * task.noise**2 / amplitude  # [B]
    filled, going = known, torch.ones_like(shrinkage, dtype=torch.bool)
    while going.any():
        left, singular, right = torch.linalg.svd(filled)
        kept = (singular - shrinkage[:, None]).clamp(min=0)  # [B, n]
        better = known.where(observed, (left * kept[:, None]) @ right)
        change = (better - filled).square().mean((1, 2)).sqrt()
        filled = better.where(going[:, None, None], filled)
        going = going & (change > TOLERANCE)
        yield filled.flatten(1)


ALGORITHMS: dict[type[Task], Callable[[Any, Problem], Rounds]] = {
    Addition: add,
    Completion: soft_impute,
    Inverse: newton_schulz,
    EdgeCopy: copy,
    ConnectedComponents: square_reachability,
    ShortestPath: square_min_plus,
}


def _square(rows: Float[Tensor, "B nn"]) -> Float[Tensor, "B n n"]:
    side = math.isqrt(rows.shape[1])
    return rows.unflatten(1, (side, side))
