"""What the learned baselines share."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from irem_core.method import Method
from irem_core.metric import mean_squared_error
from irem_core.tasks import ConnectedComponents
from irem_core.types import Batch, Task, last


class LearnedBaseline(Method):
    """A network that is trained on the error of its last answer.

    On graphs an edge is decoded from its two nodes, as published. A fair variant, on graphs alone,
    ``reads_edge`` too.
    """

    reads_edge: ClassVar[bool] = False

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return task.domain == "graph" or not cls.reads_edge

    @classmethod
    def can_express(cls, task: Task) -> bool:
        """On graphs, what the decoder can: of components not even the diagonal.

        Of a graph without edges it reads the same from (i, i) as from (i, j).
        """
        readable = cls.reads_edge and not isinstance(task, ConnectedComponents)
        return task.domain == "matrix" or readable

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """The squared error of the answer after ``inner_steps`` steps."""
        answer = last(self.unroll(batch.problem, self.inner_steps)).answer
        return mean_squared_error(answer, batch), answer
