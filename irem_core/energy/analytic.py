"""An energy whose minimum and whose descent are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from irem_core.automatic import AutomaticLandscape
from irem_core.types import Problem


@dataclass(frozen=True)
class QuadraticEnergy:
    """E(x, y) = curvature / 2 * ||y - x||², with its minimum 0 at y = x.

    Gradient descent from y_0 at step size s is at x + (1 - s * curvature)^t * (y_0 - x) after t
    steps, so that every error of the inner loop is known.
    """

    curvature: float = 1.0

    def __call__(self, problem: Problem, answer: Float[Tensor, "B n"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> QuadraticLandscape:
        """E(x, .)."""
        return QuadraticLandscape(problem.x, self.curvature)


@dataclass(frozen=True)
class QuadraticLandscape(AutomaticLandscape):
    """The energy of answers, around their minimum."""

    minimum: Float[Tensor, "B n"]
    curvature: float

    def __call__(self, answer: Float[Tensor, "B n"]) -> Float[Tensor, " B"]:
        return self.curvature / 2 * (answer - self.minimum).square().sum(dim=1)

    def gradient(
        self, answer: Float[Tensor, "B n"], keep_graph: bool = False
    ) -> Float[Tensor, "B n"]:
        """dE/dy."""
        return self.curvature * (answer - self.minimum)
