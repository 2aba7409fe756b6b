"""The error of an answer: the one definition that training, validation and tests share."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.types import Batch


def squared_errors(answer: Float[Tensor, "B n_out"], batch: Batch) -> Float[Tensor, " B"]:
    """The squared error of each problem, mean over its own entries."""
    return _sums(answer, batch) / batch.problem.entries


def mean_squared_error(answer: Float[Tensor, "B n_out"], batch: Batch) -> Float[Tensor, ""]:
    """The squared error of a whole batch, mean over all entries of all its problems."""
    return _sums(answer, batch).sum() / batch.problem.entries.sum()


def error_of_all(answers: list[Float[Tensor, "B n_out"]], batch: Batch) -> Float[Tensor, ""]:
    """The squared error after 1, 2, ... steps, weighted by these numbers."""
    errors = torch.stack([mean_squared_error(answer, batch) for answer in answers])
    weights = torch.arange(1, len(errors) + 1, device=errors.device, dtype=errors.dtype)
    return (errors * weights).sum() / weights.sum()


def _sums(answer: Float[Tensor, "B n_out"], batch: Batch) -> Float[Tensor, " B"]:
    return (answer - batch.target).square().sum(dim=1)  # beyond a graph's nodes both are 0
