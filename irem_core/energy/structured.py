"""An energy with the symmetries of its domain: squared residuals of a shared network."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irem_core.backbone import Backbone
from irem_core.descent import descend
from irem_core.types import Problem, StepRule, Task, last


class StructuredEnergy(nn.Module):
    """E(x, y) = sum over entries of ||r_ij(x, y)||², r the residuals that a backbone gives.

    It is bounded below, grows with the number of entries, and the same parameters fit any size.
    """

    def __init__(self, task: Task, hidden: int, channels: int, residuals: int) -> None:
        super().__init__()
        self.residuals = Backbone(task, residuals, hidden, channels)

    def forward(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> StructuredLandscape:
        """E(x, .)."""
        return StructuredLandscape(self.residuals, problem)


class StructuredLandscape:
    """The energy of answers to given problems, with its gradient by automatic differentiation."""

    def __init__(self, residuals: Backbone, problem: Problem) -> None:
        self.residuals, self.problem = residuals, problem

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.residuals(self.problem, answer).square().sum(dim=(1, 2))

    def gradient(
        self, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]:
        """dE/dy; with ``keep_graph`` it can be differentiated by y and the parameters."""
        gradient = torch.func.grad(lambda y: self(y).sum())(answer)
        return gradient if keep_graph else gradient.detach()

    def leap(
        self, answer: Float[Tensor, "B n_out"], steps: int, rule: StepRule
    ) -> Float[Tensor, "B n_out"]:
        """The answer after ``steps`` steps: here there is no shorter way."""
        return last(descend(self, answer, steps, rule))
