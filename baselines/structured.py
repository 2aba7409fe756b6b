"""The opponents of irem_structured: the same backbone, without an energy."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from irem_core.backbone import Backbone
from irem_core.checks import at_least
from irem_core.method import Method, ReplayPlan
from irem_core.metric import error_of_all
from irem_core.tasks import Completion, ConnectedComponents, Inverse
from irem_core.types import Batch, Problem, Step, Task


class RecurrentStructured(Method):
    """y <- y + f(x, y), where f is the backbone itself; trained on the error of all steps.

    hidden: width of the network that all entries share; channels: of its soft minima and maxima on
        graphs. inner_steps: steps in training.
    replayed, stored, capacity: see ReplayPlan.
    """

    name = "recurrent_structured"
    any_size = True
    markov = True

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 48,
        channels: int = 8,
        inner_steps: int = 10,
        replayed: int = 0,
        stored: int = 0,
        capacity: int = 10_000,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, channels=channels, inner_steps=inner_steps)
        self.inner_steps = inner_steps
        self.replay = ReplayPlan(replayed, stored, capacity) if replayed else None
        self.correction = Backbone(task, 1, hidden, channels)
        for parameter in self.correction.net[-1].parameters():
            nn.init.zeros_(parameter)  # it starts by changing nothing

    def loss(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The squared error of the answers after 1, 2, ... steps, weighted by these numbers."""
        _, *taken = self.unroll(batch.problem, self.inner_steps)
        answers = [step.answer for step in taken]
        return error_of_all(answers, batch), answers[-1]

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        answer = problem.start
        yield Step(answer)
        for _ in range(steps):
            answer = answer + self.correction(problem, answer).squeeze(-1)
            yield Step(answer)


class FeedforwardStructured(RecurrentStructured):
    """The backbone asked once, from an answer of zeros."""

    name = "feedforward_structured"
    ends = True
    markov = False

    def __init__(self, task: Task, *, hidden: int = 48, channels: int = 8) -> None:
        super().__init__(task, hidden=hidden, channels=channels, inner_steps=1)

    @classmethod
    def can_express(cls, task: Task) -> bool:
        """Not noise that the input does not show, nor what needs a candidate to be seen.

        Products with zeros say nothing of an inverse; that an edge is one both ways takes a step.
        """
        return not isinstance(task, Completion | ConnectedComponents | Inverse)

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        if steps:
            yield Step(self.correction(problem, torch.zeros_like(problem.start)).squeeze(-1))
