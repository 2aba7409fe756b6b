"""Descent on an energy with the symmetries of its domain, trained through every step."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from irem_core.checks import at_least
from irem_core.descending import Descending
from irem_core.descent import LearnedStep, descend
from irem_core.energy.structured import StructuredEnergy
from irem_core.method import ReplayPlan
from irem_core.metric import error_of_all
from irem_core.types import Batch, Task

STEP_SIZE = 0.2  # that training starts with


class IREMStructured(Descending):
    """Energy minimisation as in IREM (Du et al., 2022), with another energy and another training.

    The loss is that of all steps, the later ones weighing more, and every step is differentiated.

    hidden: width of the network that all entries share; channels: of its soft minima and maxima on
        graphs; residuals: squared in the energy, of every entry.
    inner_steps: steps of descent in training.
    replayed, stored, capacity: see ReplayPlan.
    """

    name = "irem_structured"

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 48,
        channels: int = 8,
        residuals: int = 16,
        inner_steps: int = 10,
        replayed: int = 0,
        stored: int = 0,
        capacity: int = 10_000,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, channels=channels, residuals=residuals, inner_steps=inner_steps)
        self.energy = StructuredEnergy(task, hidden, channels, residuals)
        self.rule = LearnedStep(STEP_SIZE)
        self.inner_steps = inner_steps
        self.replay = ReplayPlan(replayed, stored, capacity) if replayed else None

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """The squared error of the answers after 1, 2, ... steps, weighted by these numbers."""
        landscape, start = self.energy.at(batch.problem), batch.problem.start
        _, *answers = descend(landscape, start, self.inner_steps, self.rule, keep_graph=True)
        return error_of_all(answers, batch), answers[-1]
