"""Iterative feedforward: a network that corrects the answer, step by step, without an energy."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.learned import LearnedBaseline
from baselines.networks import EdgeNetwork, perceptron
from irem_core.checks import at_least
from irem_core.method import ReplayPlan
from irem_core.types import Problem, Step, Task


class Iterative(LearnedBaseline):
    """y <- y + f([y, x]), trained through all steps (Du et al., 2022).

    f has three hidden layers with swish; on graphs, where no published code runs, it is the trunk
    of the energy on both edge values with the decoder of the other baselines. That decoder starts
    at 0, since sums over nodes, fed back again and again, would else grow without bound.
    Like descent it could go on from earlier answers: as published it does not, which is what
    ``replayed`` = 0 says.

    replayed, stored, capacity: see ReplayPlan.
    """

    name = "iterative"
    markov = True

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 512,
        inner_steps: int = 10,
        replayed: int = 0,
        stored: int = 0,
        capacity: int = 10_000,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, inner_steps=inner_steps)
        self.inner_steps = inner_steps
        self.replay = ReplayPlan(replayed, stored, capacity) if replayed else None
        self.correction: EdgeNetwork | MatrixCorrection
        if task.domain == "graph":
            self.correction = EdgeNetwork(values=2, hidden=hidden, reads_edge=self.reads_edge)
            for parameter in self.correction.decoder.parameters():
                nn.init.zeros_(parameter)
        else:
            self.correction = MatrixCorrection(task.n_in, task.n_out, hidden)

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        answer = problem.start
        yield Step(answer)
        for _ in range(steps):
            answer = answer + self.correction(problem, answer)
            yield Step(answer)


class IterativeEdge(Iterative):
    """The fair variant on graphs: the decoder also reads the edge that it decodes."""

    name = "iterative_edge"
    reads_edge = True


class MatrixCorrection(nn.Module):
    """[y, x] -> hidden -> hidden -> hidden -> what to add to y, with swish between."""

    def __init__(self, n_in: int, n_out: int, hidden: int) -> None:
        super().__init__()
        self.layers = perceptron([n_out + n_in, hidden, hidden, hidden], nn.SiLU)
        self.out = nn.Linear(hidden, n_out)

    def forward(
        self, problem: Problem, answer: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out"]:
        return self.out(self.layers(torch.cat([answer, problem.x], dim=1)))
