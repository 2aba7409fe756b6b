"""Landscapes that say an energy alone: the rest is automatic differentiation."""

from __future__ import annotations

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from irem_core.descent import autograd_gradient, descend
from irem_core.types import StepRule, last


class AutomaticLandscape(ABC):
    """E(x, .) of given problems, which do not mix."""

    @abstractmethod
    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        """The energy of an answer to each problem."""

    def gradient(
        self, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]:
        """dE/dy; with ``keep_graph`` it can be differentiated by y and the parameters."""
        gradient = autograd_gradient(self, answer)
        return gradient if keep_graph else gradient.detach()

    def leap(
        self, answer: Float[Tensor, "B n_out"], steps: int, rule: StepRule
    ) -> Float[Tensor, "B n_out"]:
        """The answer after ``steps`` steps: here there is no shorter way."""
        return last(descend(self, answer, steps, rule))
