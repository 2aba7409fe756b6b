"""Stopping: rules that read energies and say after which step each problem is answered."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def lowest_energy(energies: Float[Tensor, "T+1 B"]) -> Int[Tensor, " B"]:
    """The step of the lowest energy on the whole way; the earliest of equals."""
    return energies.argmin(dim=0)


def energy_stops_falling(energies: Float[Tensor, "T+1 B"]) -> Int[Tensor, " B"]:
    """The first step that the next one does not improve on; the last step if all do.

    To notice it one more step is needed: a problem that stops at t < T has used t + 1 steps.
    """
    stalls = energies[1:] >= energies[:-1]  # [T, B]
    end = torch.ones_like(energies[:1], dtype=torch.bool)
    return torch.cat([stalls, end]).int().argmax(dim=0)
