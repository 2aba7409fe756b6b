"""Feedforward: the whole answer in one pass."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from irem_core.checks import at_least
from irem_core.method import Method
from irem_core.types import Batch, Problem, Task


class Feedforward(Method):
    """x -> hidden -> hidden -> hidden -> y with ReLU between (Du et al., 2022): one step."""

    name = "feedforward"

    def __init__(self, task: Task, *, hidden: int = 512) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden)
        self.network = nn.Sequential(
            nn.Linear(task.n_in, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, task.n_out),
        )

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        answer = self.network(batch.problem.x)
        return mse_loss(answer, batch.target), answer

    def unroll(self, problem: Problem, steps: int) -> Iterator[Float[Tensor, "B n_out"]]:
        yield problem.start
        if steps:
            yield self.network(problem.x)
