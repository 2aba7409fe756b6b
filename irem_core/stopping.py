"""Stopping: rules that read energies and say after which step each problem is answered."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def lowest(energies: Tensor, dim: int) -> Tensor:
    """Index of the lowest of ``energies``, of any shape, along ``dim``; the first of equals.

    NaN is never the lowest: it is ranked with infinity.
    """
    return energies.nan_to_num(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf).argmin(dim=dim)


def lowest_energy(energies: Float[Tensor, "T+1 B"]) -> Int[Tensor, " B"]:
    """Step of the lowest energy of the whole solve; the earliest of equals."""
    return lowest(energies, dim=0)


def energy_stops_falling(energies: Float[Tensor, "T+1 B"]) -> Int[Tensor, " B"]:
    """First step that the next one does not improve on; the last step if all do.

    An energy that is NaN improves on none. To notice it one more step is needed: a problem that
    stops at t < T has used t + 1 steps.
    """
    stalls = ~(energies[1:] < energies[:-1])  # [T, B]
    end = torch.ones_like(energies[:1], dtype=torch.bool)
    return torch.cat([stalls, end]).int().argmax(dim=0)
