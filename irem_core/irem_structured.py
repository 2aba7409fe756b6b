"""Descent on an energy with the symmetries of its domain, trained through every step."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from irem_core.checks import at_least, positive
from irem_core.descending import Descending
from irem_core.descent import GradientStep, LearnedStep, descend
from irem_core.energy.structured import StructuredEnergy
from irem_core.method import ReplayPlan
from irem_core.metric import error_of_all
from irem_core.types import Batch, Task


class IREMStructured(Descending):
    """Energy minimisation as in IREM (Du et al., 2022), with another energy and another training.

    Every step is differentiated, and the loss is that of all of them, the step t weighing t: the
    expected error after a random number T of steps, the chance of T = t being as large as t is.

    hidden: width of the network that all entries share; channels: of what it knows, on graphs, of
        the nodes between two; residuals: squared in the energy, of every entry.
    form: ``squares`` of residuals are the energy, or it is a ``scalar`` of every entry.
    aggregation: over the nodes between; see ``irem_core.backbone.PairFeatures``.
    inner_steps: steps of descent in training.
    step_size: of the descent; with ``learned`` what training starts with.
    all_steps: the loss is that of all steps; otherwise of the last.
    replayed, stored, capacity: see ReplayPlan.
    """

    name = "irem_structured"
    any_size = True

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 48,
        channels: int = 8,
        residuals: int = 16,
        form: str = "squares",
        aggregation: str = "soft",
        inner_steps: int = 10,
        step_size: float = 0.2,
        learned: bool = True,
        all_steps: bool = True,
        replayed: int = 0,
        stored: int = 0,
        capacity: int = 10_000,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, channels=channels, residuals=residuals, inner_steps=inner_steps)
        positive(step_size=step_size)
        self.energy = StructuredEnergy(task, hidden, channels, residuals, form, aggregation)
        self.rule = LearnedStep(step_size) if learned else GradientStep(step_size)
        self.inner_steps = inner_steps
        self.all_steps = all_steps
        self.replay = ReplayPlan(replayed, stored, capacity) if replayed else None

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """The squared error of the answers after 1, 2, ... steps, weighted by these numbers."""
        landscape, start = self.energy.at(batch.problem), batch.problem.start
        _, *answers = descend(landscape, start, self.inner_steps, self.rule, keep_graph=True)
        return error_of_all(answers if self.all_steps else answers[-1:], batch), answers[-1]
