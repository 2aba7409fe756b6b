"""Recurrent: an LSTM that is shown the same problem at every step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from jaxtyping import Float
from torch import Tensor, nn

from baselines.learned import LearnedBaseline
from baselines.networks import PairDecoder
from irem_core.checks import at_least
from irem_core.gine import GINETrunk, gine
from irem_core.graphs import BySize
from irem_core.types import Problem, Step, Task


class Recurrent(LearnedBaseline):
    """An answer at every step of an LSTM (Hochreiter and Schmidhuber, 1997; Du et al., 2022)."""

    name = "recurrent"

    def __init__(self, task: Task, *, hidden: int = 196, inner_steps: int = 10) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, inner_steps=inner_steps)
        self.inner_steps = inner_steps
        self.network = (
            RecurrentGraphNetwork(hidden, self.reads_edge)
            if task.domain == "graph"
            else RecurrentMatrixNetwork(task.n_in, task.n_out, hidden)
        )

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start)
        for answer in islice(self.network.answers(problem), steps):
            yield Step(answer.to(problem.start.dtype))


class RecurrentEdge(Recurrent):
    """The fair variant on graphs: the decoder also reads the edge that it decodes."""

    name = "recurrent_edge"
    reads_edge = True


class RecurrentWide(Recurrent):
    """The fair variant on matrices: as wide as the other networks."""

    name = "recurrent_wide"

    def __init__(self, task: Task, *, hidden: int = 512, inner_steps: int = 10) -> None:
        super().__init__(task, hidden=hidden, inner_steps=inner_steps)

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return task.domain == "matrix"


class RecurrentMatrixNetwork(nn.Module):
    """x -> hidden with ReLU -> LSTM -> y."""

    def __init__(self, n_in: int, n_out: int, hidden: int) -> None:
        super().__init__()
        self.read = nn.Linear(n_in, hidden)
        self.cell = nn.LSTMCell(hidden, hidden)
        self.write = nn.Linear(hidden, n_out)

    def answers(self, problem: Problem) -> Iterator[Float[Tensor, "B n_out"]]:
        """The answers after 1, 2, ... steps, without end."""
        seen, state = self.read(problem.x).relu(), None  # [B, hidden]
        while True:
            state = self.cell(seen, state)
            yield self.write(state[0])


class RecurrentGraphNetwork(nn.Module):
    """A GINE layer, an LSTM on the state of every node, a GINE layer, the decoder."""

    def __init__(self, hidden: int, reads_edge: bool) -> None:
        super().__init__()
        self.trunk = GINETrunk(values=1, hidden=hidden, widths=(1, hidden))
        self.cell = nn.LSTMCell(hidden, hidden)
        self.decoder = PairDecoder(values=1, hidden=hidden, reads_edge=reads_edge)

    def answers(self, problem: Problem) -> Iterator[Float[Tensor, "B NN"]]:
        """The answers after 1, 2, ... steps, without end."""
        by_size = BySize(problem)
        for each in zip(*map(self._answers, by_size.split()), strict=True):
            yield by_size.join(each)

    def _answers(self, values: Float[Tensor, "b n n 1"]) -> Iterator[Float[Tensor, "b n n"]]:
        graphs, nodes = values.shape[:2]
        (first, second), maps = self.trunk.layers, self.trunk.edge_maps()
        seen = gine(first, values.new_zeros(graphs, nodes, 1), values, maps[0]).flatten(0, 1)
        state = None
        while True:
            state = self.cell(seen, state)  # [b * n, hidden]
            states = gine(second, state[0].unflatten(0, (graphs, nodes)), values, maps[1])
            yield self.decoder(states, values)
