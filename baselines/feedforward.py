"""Feedforward: the whole answer in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from baselines.edge_network import EdgeNetwork
from irem_core.checks import at_least
from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.types import Batch, Problem, Task


class Feedforward(Method):
    """One step, x -> y (Du et al., 2022): three hidden layers with ReLU, or three GINE layers."""

    name = "feedforward"
    reads_edge: ClassVar[bool] = False

    def __init__(self, task: Task, *, hidden: int = 512) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden)
        self.network = (
            EdgeNetwork(values=1, hidden=hidden, reads_edge=self.reads_edge)
            if task.domain == "graph"
            else MatrixNetwork(task.n_in, task.n_out, hidden)
        )

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        answer = self.network(batch.problem)
        return mean_squared_error(answer, batch), answer

    def unroll(self, problem: Problem, steps: int) -> Iterator[Float[Tensor, "B n_out"]]:
        yield problem.start
        if steps:
            yield self.network(problem)


class FeedforwardEdge(Feedforward):
    """The fair variant on graphs: the decoder also reads the edge that it decodes."""

    name = "feedforward_edge"
    reads_edge = True

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return task.domain == "graph"


class MatrixNetwork(nn.Module):
    """x -> hidden -> hidden -> hidden -> y with ReLU between."""

    def __init__(self, n_in: int, n_out: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_in, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, n_out),
        )

    def forward(self, problem: Problem) -> Float[Tensor, "B n_out"]:
        return self.layers(problem.x)
