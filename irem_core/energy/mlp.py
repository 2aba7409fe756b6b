"""The energy of the matrix tasks: a multilayer perceptron on [y, x]."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from irem_core.descent import autograd_gradient
from irem_core.types import Problem


class MLPEnergy(nn.Module):
    """[y, x] -> hidden -> hidden -> hidden -> 1 with swish between (Du et al., 2022)."""

    idle_entries = 0

    def __init__(self, n_in: int, n_out: int, hidden: int = 512) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(
            nn.Linear(width, hidden) for width in (n_out + n_in, hidden, hidden)
        )
        self.out = nn.Linear(hidden, 1)
        # a constant in the energy: no descent and so no loss depends on it
        self.out.bias.requires_grad_(False)

    def forward(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        hidden = torch.cat([answer, problem.x], dim=1)
        for layer in self.layers:
            hidden = silu(layer(hidden))
        return self.out(hidden).squeeze(1)

    def gradient(
        self, problem: Problem, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]:
        """dE/dy: backpropagation written down, by autograd where its graph is to be kept."""
        if keep_graph:
            return autograd_gradient(self, problem, answer)
        with torch.no_grad():
            return self._gradient(problem, answer)

    def _gradient(
        self, problem: Problem, answer: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out"]:
        hidden, sums = torch.cat([answer, problem.x], dim=1), []
        for layer in self.layers:
            sums.append(layer(hidden))  # [B, hidden], before the swish
            hidden = silu(sums[-1])
        back = self.out.weight.expand_as(hidden)
        for layer, before in zip(reversed(self.layers[1:]), reversed(sums[1:]), strict=True):
            back = torch.ops.aten.silu_backward(back, before) @ layer.weight
        first = torch.ops.aten.silu_backward(back, sums[0])
        return first @ self.layers[0].weight[:, : answer.shape[1]]  # of y, not of x
