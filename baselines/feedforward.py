"""Feedforward: the whole answer in one pass."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from baselines.learned import LearnedBaseline
from baselines.networks import EdgeNetwork, perceptron
from irem_core.checks import at_least
from irem_core.types import Problem, Step, Task


class Feedforward(LearnedBaseline):
    """One step, x -> y (Du et al., 2022): three hidden layers with ReLU, or three GINE layers."""

    name = "feedforward"
    ends = True

    def __init__(self, task: Task, *, hidden: int = 512) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden)
        self.network = (
            EdgeNetwork(values=1, hidden=hidden, reads_edge=self.reads_edge)
            if task.domain == "graph"
            else MatrixNetwork(task.n_in, task.n_out, hidden)
        )

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        if steps:
            yield Step(self.network(problem).to(problem.start.dtype))


class FeedforwardEdge(Feedforward):
    """The fair variant on graphs: the decoder also reads the edge that it decodes."""

    name = "feedforward_edge"
    reads_edge = True


class MatrixNetwork(nn.Module):
    """x -> hidden -> hidden -> hidden -> y with ReLU between."""

    def __init__(self, n_in: int, n_out: int, hidden: int) -> None:
        super().__init__()
        self.layers = perceptron([n_in, hidden, hidden, hidden], nn.ReLU)
        self.out = nn.Linear(hidden, n_out)

    def forward(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        return self.out(self.layers(problem.x))
