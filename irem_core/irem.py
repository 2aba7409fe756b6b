"""Learning Iterative Reasoning through Energy Minimization (Du, Li, Tenenbaum, Mordatch, 2022)."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from irem_core.checks import at_least, positive
from irem_core.descending import Descending
from irem_core.descent import GradientStep, descend
from irem_core.energy.graph import GraphEnergy
from irem_core.energy.mlp import MLPEnergy
from irem_core.method import ReplayPlan
from irem_core.metric import mean_squared_error, squared_errors
from irem_core.types import Batch, Task, last


class IREM(Descending):
    """An energy network, and gradient descent on it as the reasoning.

    The defaults are the paper's for matrices; ``benchmarks.train`` knows those for graphs.

    hidden: width of the energy network.
    inner_steps: steps of descent in training.
    step_size: of the descent.
    truncated: only the last step of descent is differentiated; otherwise all are.
    loss_per_problem: the loss is the mean over problems of each one's error, so that a small graph
        weighs as much as a large one; otherwise it is the mean over all entries of the batch.
    replayed, stored, capacity: see ReplayPlan.
    """

    name = "irem"
    version = 2  # the gradient in closed form, which is rounded otherwise
    energy: MLPEnergy | GraphEnergy

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 512,
        inner_steps: int = 10,
        step_size: float = 100.0,
        truncated: bool = True,
        loss_per_problem: bool = False,
        replayed: int = 512,
        stored: int = 512,
        capacity: int = 10_000,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, inner_steps=inner_steps)
        positive(step_size=step_size)
        self.energy = (
            GraphEnergy(hidden)
            if task.domain == "graph"
            else MLPEnergy(task.n_in, task.n_out, hidden)
        )
        self.inner_steps = inner_steps
        self.rule = GradientStep(step_size)
        self.truncated = truncated
        self.loss_per_problem = loss_per_problem
        self.replay = ReplayPlan(replayed, stored, capacity) if replayed else None

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """The paper's objective: the squared error of the answer after ``inner_steps`` steps."""
        landscape = self.energy.at(batch.problem)
        answer, kept = batch.problem.start, self.inner_steps
        if self.truncated:
            answer, kept = landscape.leap(answer, self.inner_steps - 1, self.rule), 1
        answer = last(descend(landscape, answer, kept, self.rule, keep_graph=True))
        if self.loss_per_problem:
            return squared_errors(answer, batch).mean(), answer
        return mean_squared_error(answer, batch), answer

    def used_parameters(self) -> int:
        return super().used_parameters() - self.energy.idle_entries
