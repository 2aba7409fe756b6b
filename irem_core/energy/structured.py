"""An energy with the symmetries of its domain: squared residuals of a shared network."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from irem_core.automatic import AutomaticLandscape
from irem_core.backbone import Backbone
from irem_core.types import Problem, Task

FORMS = ("squares", "scalar")


class StructuredEnergy(nn.Module):
    """E(x, y) = sum over entries of ||r_ij(x, y)||², r the residuals that a backbone gives.

    It is bounded below, grows with the number of entries, and the same parameters fit any size.
    Of the form ``scalar`` it is the sum of the r_ij themselves, which no bound holds.
    """

    def __init__(
        self,
        task: Task,
        hidden: int,
        channels: int,
        residuals: int,
        form: str = "squares",
        aggregation: str = "soft",
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise ValueError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
        self.residuals = Backbone(task, residuals, hidden, channels, aggregation)
        self.squared = form == "squares"

    def forward(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> StructuredLandscape:
        """E(x, .)."""
        return StructuredLandscape(self, problem)


class StructuredLandscape(AutomaticLandscape):
    """The energy of answers to given problems."""

    def __init__(self, energy: StructuredEnergy, problem: Problem) -> None:
        self.energy, self.problem = energy, problem

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        residuals = self.energy.residuals(self.problem, answer)
        return (residuals.square() if self.energy.squared else residuals).sum(dim=(1, 2))
