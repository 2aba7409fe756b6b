"""The inner loop: gradient descent on the energy."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irem_core.types import StepRule


class HasGradient(Protocol):
    """What descent asks of a landscape."""

    def gradient(
        self, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]: ...


@dataclass(frozen=True)
class GradientStep:
    """y <- y - step_size * dE/dy (Du et al., 2022)."""

    step_size: float

    def __call__(
        self, answer: Float[Tensor, "B n_out"], gradient: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out"]:
        return torch.sub(answer, gradient, alpha=self.step_size)

    def limited(self, step: Float[Tensor, "B n_out"]) -> Float[Tensor, "B n_out"]:
        """A step as it is taken: here any."""
        return step


class LearnedStep(nn.Module):
    """y <- y - d / sqrt(1 + d²), d = step_size * dE/dy, entry by entry.

    The step size is positive and trained like any parameter. No entry moves by more than 1, which
    keeps training from the energies that would throw answers ever further; small steps are d.
    """

    def __init__(self, step_size: float) -> None:
        super().__init__()
        self.log_step_size = nn.Parameter(torch.tensor(math.log(step_size)))

    @property
    def step_size(self) -> float:
        return math.exp(self.log_step_size.item())

    def forward(
        self, answer: Float[Tensor, "B n_out"], gradient: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out"]:
        return answer - self.limited(self.log_step_size.exp() * gradient)

    def limited(self, step: Float[Tensor, "B n_out"]) -> Float[Tensor, "B n_out"]:
        """A step as it is taken."""
        return step * (1 + step.square()).rsqrt()


def descend(
    landscape: HasGradient,
    answer: Float[Tensor, "B n_out"],
    steps: int,
    rule: StepRule,
    keep_graph: bool = False,
) -> Iterator[Float[Tensor, "B n_out"]]:
    """Yield the answers after 0, 1, ..., ``steps`` steps from ``answer``.

    With ``keep_graph`` all of them can be differentiated. Truncated backpropagation is a descent
    that keeps no graph, and a last step that does.
    """
    yield answer
    for _ in range(steps):
        answer = rule(answer, landscape.gradient(answer, keep_graph))
        yield answer


def autograd_gradient(
    energy: Callable[[Tensor], Float[Tensor, " B"]], answer: Float[Tensor, "B n_out"]
) -> Float[Tensor, "B n_out"]:
    """dE/dy of each problem by autograd, with the graph to differentiate it."""
    gradient = torch.func.grad(lambda y: energy(y).sum())  # problems do not mix
    result: Tensor = gradient(answer)  # row b is dE_b/dy_b
    return result
