"""Search: descent on the energy of a trained method in other ways than it was trained with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.checks import at_least, not_negative, positive, share
from irem_core.descending import Descending
from irem_core.descent import GradientStep, LearnedStep, descend
from irem_core.method import Method
from irem_core.stopping import lowest
from irem_core.streams import stream
from irem_core.types import Energy, Landscape, Problem, Step

HALVED, GROWN = 0.5, 1.1


@dataclass(frozen=True)
class Search:
    """How to descend at test time; as it stands, as in training.

    step_scale: the step size, in those of training.
    momentum: y <- y + v, v <- momentum * v - step_size * dE/dy (Polyak, 1964); where steps are
        bounded in training, v is too before it is added.
    noise: standard deviation of the normal noise that every step adds.
    backtracking: a step that would raise the energy of a problem is not taken; the step size of
        that problem is halved then, and grows by a tenth with every step that is taken.
    restarts: descents from as many starts, the problem's own and others from U(-1, 1); the answer
        is that of the lowest energy.
    """

    step_scale: float = 1.0
    momentum: float = 0.0
    noise: float = 0.0
    backtracking: bool = False
    restarts: int = 1

    def __post_init__(self) -> None:
        positive(step_scale=self.step_scale)
        not_negative(noise=self.noise)
        share(momentum=self.momentum)
        at_least(1, restarts=self.restarts)

    def evaluations(self, steps: int) -> tuple[int, int]:
        """How many gradients and how many energies so many steps ask for, of one problem.

        The energies of candidates that are compared are those that backtracking has asked for; at
        the start there is nothing to choose yet.
        """
        gradients = self.restarts * steps
        if self.backtracking:
            return gradients, gradients + self.restarts * bool(steps)
        return gradients, gradients if self.restarts > 1 else 0


class SearchStep:
    """The step of a search: a rule with a memory, so that every descent needs one of its own."""

    def __init__(
        self,
        search: Search,
        landscape: Landscape,
        problem: Problem,
        trained: GradientStep | LearnedStep,
    ) -> None:
        self.search, self.landscape, self.trained = search, landscape, trained
        size = search.step_scale * trained.step_size
        self.sizes = torch.full_like(problem.start[:, :1], size)  # [B, 1]
        self.velocity = torch.zeros_like(problem.start)
        self.energy: Tensor | None = None  # of the last answer, where it is asked for
        self.generator = stream("noise")
        # all problems share the noise but for its signs: a problem's does not depend on the others
        self.signs = torch.where(problem.start < 0, -1.0, 1.0).to(problem.start) * problem.mask

    def __call__(
        self, answer: Float[Tensor, "B n_out"], gradient: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out"]:
        self.velocity = self.search.momentum * self.velocity - self.sizes * gradient
        tried = answer + self.trained.limited(self.velocity)
        if self.search.noise:
            noise = torch.randn(tried.shape[1:], generator=self.generator, dtype=torch.float64)
            tried = tried + self.search.noise * noise.to(tried) * self.signs
        if not self.search.backtracking:
            return tried
        before = self.landscape(answer) if self.energy is None else self.energy
        energy = self.landscape(tried)
        falls = energy <= before  # [B]; not where it is not a number
        self.energy = torch.where(falls, energy, before)
        self.sizes = self.sizes * torch.where(falls, GROWN, HALVED)[:, None]
        self.velocity = torch.where(falls[:, None], self.velocity, 0)
        return torch.where(falls[:, None], tried, answer)


class Searching(Method):
    """A trained method that answers by a search on its energy."""

    name = "searching"
    energy: Energy

    def __init__(self, method: Descending, search: Search) -> None:
        super().__init__(method.task)
        self.energy = method.energy
        self.rule = method.rule
        self.search = search

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        if not steps:  # what there is at the start has cost nothing
            return
        many = self.started(problem)
        landscape = self.energy.at(many)
        rule = SearchStep(self.search, landscape, many, self.rule)
        for answers in islice(descend(landscape, many.start, steps, rule), 1, None):
            if self.search.restarts == 1:
                yield Step(answers)
            else:
                energies = landscape(answers) if rule.energy is None else rule.energy
                candidates = answers.view(len(problem), self.search.restarts, -1)
                chosen = _lowest(candidates, energies.view(candidates.shape[:2]))
                yield Step(chosen, candidates=candidates)

    def started(self, problem: Problem) -> Problem:
        """Every problem as often as there are starts, one after the other; its own start first.

        The others are its own with random signs, which are the same for every problem: so they are
        from U(-1, 1) too, and do not depend on the other problems.
        """
        count = self.search.restarts
        if count == 1:
            return problem
        shape = (count, problem.start.shape[1])
        chance = torch.rand(shape, generator=stream("restarts"), dtype=torch.float32)
        signs = torch.where(chance < 0.5, -1.0, 1.0).to(problem.start)
        signs[0] = 1
        each = torch.arange(len(problem), device=signs.device).repeat_interleave(count)
        many = problem[each]
        return replace(many, start=many.start * signs.repeat(len(problem), 1))


def _lowest(
    answers: Float[Tensor, "B K n_out"], energies: Float[Tensor, "B K"]
) -> Float[Tensor, "B n_out"]:
    """The answer of the lowest energy, per problem."""
    best = lowest(energies, dim=1)
    return answers[torch.arange(len(best), device=best.device), best]
