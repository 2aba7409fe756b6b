"""The inner loop: gradient descent on the energy, from the problem's start."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.types import Energy, Problem

StepRule = Callable[[Float[Tensor, "B n_out"], Float[Tensor, "B n_out"]], Float[Tensor, "B n_out"]]
"""From an answer and its energy's gradient to the next answer."""


@dataclass(frozen=True)
class GradientStep:
    """y <- y - step_size * dE/dy (Du et al., 2022)."""

    step_size: float

    def __call__(
        self, answer: Float[Tensor, "B n_out"], gradient: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out"]:
        return answer - self.step_size * gradient


def no_step(step: int) -> bool:
    """Keep no graph: what a solve needs."""
    return False


def descend(
    energy: Energy,
    problem: Problem,
    steps: int,
    rule: StepRule,
    keeps_graph: Callable[[int], bool] = no_step,
) -> Iterator[Float[Tensor, "B n_out"]]:
    """Yield the answers after 0, 1, ..., ``steps`` steps.

    ``keeps_graph(t)`` says whether the step from answer t to answer t + 1 can be differentiated:
    none while solving, the last one in truncated backpropagation, all in full backpropagation.
    """
    answer = problem.start
    yield answer
    for t in range(steps):
        keep = keeps_graph(t)
        answer = rule(answer, energy.gradient(problem, answer, keep))
        answer = answer if keep else answer.detach()
        yield answer


def autograd_gradient(
    energy: Energy, problem: Problem, answer: Float[Tensor, "B n_out"]
) -> Float[Tensor, "B n_out"]:
    """dE/dy of each problem by autograd, with the graph to differentiate it."""
    with torch.enable_grad():
        answer = answer if answer.requires_grad else answer.detach().requires_grad_()
        total = energy(problem, answer).sum()  # problems do not mix: row b is dE_b/dy_b
        return torch.autograd.grad(total, answer, create_graph=True)[0]
