"""The energy of the matrix tasks: a multilayer perceptron on [y, x]."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irem_core.types import Problem


class MLPEnergy(nn.Module):
    """[y, x] -> hidden -> hidden -> hidden -> 1 with swish between (Du et al., 2022)."""

    def __init__(self, n_in: int, n_out: int, hidden: int = 512) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(n_out + n_in, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, 1),
        )
        # a constant in the energy: no descent and so no loss depends on it
        self.network[-1].bias.requires_grad_(False)

    def forward(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.network(torch.cat([answer, problem.x], dim=1)).squeeze(1)
