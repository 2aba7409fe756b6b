"""The posterior mean of matrix completion: none is expected to err less from what is observed.

Gibbs sampling (Geman and Geman, 1984) in the model that the problems are drawn from, R = a U V' +
0.1 N with standard normal U and V: given V the rows of U are Gaussian, and the other way round.
The chains start as if there were more noise, since without it they hardly leave where they begin.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from baselines.best_known import BestKnown
from irem_core.checks import at_least
from irem_core.tasks import Completion
from irem_core.types import Batch


def floor(
    task: Completion,
    batch: Batch,
    generator: torch.Generator,
    chains: int,
    burn_in: int,
    sweeps: int,
) -> BestKnown:
    """The error of the posterior mean on these very problems.

    Every chain gives an estimate m of the posterior mean. For two of them (m - t) (m' - t) has the
    error of the exact mean as its expectation, where the square of one would be too large by its
    own noise. The uncertainty is that of the finite chains alone, by the jackknife over chains: not
    that of other problems, nor of chains that have not come where they should.
    """
    at_least(3, chains=chains)
    means = [posterior_mean(task, batch, generator, burn_in, sweeps) for _ in range(chains)]
    misses = (torch.stack(means) - batch.target).flatten(1)  # [chains, B * n_out]
    products = misses @ misses.T / misses.shape[1]  # [chains, chains]
    without = torch.tensor([_cross(_drop(products, chain)) for chain in range(chains)])
    spread = (without - without.mean()).square().sum()
    return BestKnown(_cross(products), math.sqrt((chains - 1) / chains * spread.item()))


def posterior_mean(
    task: Completion, batch: Batch, generator: torch.Generator, burn_in: int, sweeps: int
) -> Float[Tensor, "B n_out"]:
    """Of the whole matrix: what is observed is known, the rest is averaged over ``sweeps``."""
    known = batch.problem.x.unflatten(1, (task.size, task.size))  # [B, n, n]
    observed = known != 0
    amplitude = task.amplitude * math.sqrt(10 / task.rank)
    right = torch.randn(len(batch), task.size, task.rank, generator=generator, dtype=known.dtype)
    total = torch.zeros_like(known)
    for sweep in range(burn_in + sweeps):
        noise = task.noise * _annealed(sweep, burn_in)
        mean, left = _given(right, known, observed, amplitude, noise, generator)
        if sweep >= burn_in:
            total += amplitude * mean @ right.mT  # of U its mean given V: less noise than a sample
        _, right = _given(left, known.mT, observed.mT, amplitude, noise, generator)
    return known.where(observed, total / sweeps).flatten(1)


def _annealed(sweep: int, burn_in: int) -> float:
    """How many times too large the noise is: from 10 down to 1 after half of the burn-in."""
    left = max(0.0, 1 - 2 * sweep / burn_in) if burn_in else 0.0
    return 1 + 9 * left**2


def _given(
    other: Float[Tensor, "B n k"],
    known: Float[Tensor, "B n n"],
    observed: Tensor,
    amplitude: float,
    noise: float,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "B n k"], Float[Tensor, "B n k"]]:
    """Mean and a sample of one factor given the other: a Gaussian for every row of ``known``."""
    rank = other.shape[2]
    outer = (other[..., :, None] * other[..., None, :]).flatten(2)  # [B, n, k * k]
    products = (observed.to(other.dtype) @ outer).unflatten(2, (rank, rank))  # [B, n, k, k]
    eye = torch.eye(rank, dtype=other.dtype)
    root = torch.linalg.cholesky(eye + (amplitude / noise) ** 2 * products)
    right_side = amplitude / noise**2 * (known @ other)  # what is not observed is 0 there
    mean = torch.cholesky_solve(right_side[..., None], root).squeeze(-1)
    normal = torch.randn(mean.shape, generator=generator, dtype=mean.dtype)
    deviation = torch.linalg.solve_triangular(root.mT, normal[..., None], upper=True).squeeze(-1)
    return mean, mean + deviation


def _cross(products: Float[Tensor, "c c"]) -> float:
    """The mean over pairs of different chains."""
    chains = len(products)
    return ((products.sum() - products.trace()) / (chains * (chains - 1))).item()


def _drop(products: Float[Tensor, "c c"], chain: int) -> Float[Tensor, "c-1 c-1"]:
    kept = torch.arange(len(products)) != chain
    return products[kept][:, kept]
