"""PonderNet: Learning to Ponder (Banino, Balaguer and Blundell, 2021)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from baselines.learned import LearnedBaseline
from baselines.networks import PairDecoder, perceptron
from irem_core.checks import at_least, positive
from irem_core.gine import GINETrunk, gine
from irem_core.graphs import BySize
from irem_core.halting import halting_distribution
from irem_core.metric import squared_errors
from irem_core.types import Batch, Problem, Step, Task


class Pondered(NamedTuple):
    """One step of a network that ponders: an answer, and the logit of halting with it."""

    answer: Float[Tensor, "B n_out"]
    logit: Float[Tensor, " B"]


class Ponder(LearnedBaseline):
    """A network that says after every step how likely it is to stop there.

    beta: weight of the prior.
    prior: of halting at a step, l_p; a step is expected to be one of 1 / l_p.
    """

    name = "ponder"

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 512,
        inner_steps: int = 10,
        beta: float = 0.01,
        prior: float = 0.1,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden, inner_steps=inner_steps)
        positive(beta=beta, prior=prior)
        if prior >= 1:
            raise ValueError(f"prior must be less than 1, not {prior!r}")
        self.inner_steps, self.beta, self.prior = inner_steps, beta, prior
        self.network = (
            PonderGraphNetwork(hidden, self.reads_edge)
            if task.domain == "graph"
            else PonderMatrixNetwork(task.n_in, task.n_out, hidden)
        )

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """sum_n p_n L(y_n) + beta KL(p || geometric(l_p)): the error expected when it halts."""
        expected, log_halting, answer = self._ponder(batch)
        prior = geometric_prior(self.inner_steps, self.prior, log_halting)
        divergence = (log_halting.exp() * (log_halting - prior[:, None])).sum(dim=0)  # [B]
        return expected + self.beta * divergence.mean(), answer

    @torch.no_grad()
    def error(self, batch: Batch) -> Float[Tensor, ""]:
        """The error expected when it halts, within as many steps as trained."""
        return self._ponder(batch)[0]

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        yield Step(problem.start, torch.zeros_like(problem.start[:, 0]))
        for answer, logit in islice(self.network.steps(problem), steps):
            dtype = problem.start.dtype
            yield Step(answer.to(dtype), logit.to(dtype).sigmoid())

    def _ponder(self, batch: Batch) -> tuple[Tensor, Float[Tensor, "T B"], Tensor]:
        """The expected error over all entries, log p_n, and the last answer."""
        taken = list(islice(self.network.steps(batch.problem), self.inner_steps))
        errors = torch.stack([squared_errors(step.answer, batch) for step in taken])  # [T, B]
        logits = torch.stack([step.logit for step in taken]).to(errors.dtype)
        log_halting = halting_distribution(logits)
        entries = batch.problem.entries / batch.problem.entries.sum()  # [B], of them all
        expected = ((log_halting.exp() * errors).sum(dim=0) * entries).sum()
        return expected, log_halting, taken[-1].answer.to(errors.dtype)


class PonderEdge(Ponder):
    """The fair variant on graphs: the decoder also reads the edge that it decodes."""

    name = "ponder_edge"
    reads_edge = True


def geometric_prior(steps: int, probability: float, like: Tensor) -> Float[Tensor, " steps"]:
    """log of the geometric distribution l (1 - l)^(n - 1), n = 1..steps, made to sum to 1.

    Of the type and on the device of ``like``.
    """
    each = torch.arange(steps, dtype=torch.float64, device=like.device) * math.log1p(-probability)
    return each.log_softmax(dim=0).to(like.dtype)


class PonderMatrixNetwork(nn.Module):
    """[y, x] -> hidden -> hidden with ReLU -> the next y, which is fed back, and halting."""

    def __init__(self, n_in: int, n_out: int, hidden: int) -> None:
        super().__init__()
        self.layers = perceptron([n_out + n_in, hidden, hidden], nn.ReLU)
        self.answer = nn.Linear(hidden, n_out)
        self.halting = nn.Linear(hidden, 1)

    def steps(self, problem: Problem) -> Iterator[Pondered]:
        """What there is after 1, 2, ... steps, without end."""
        answer = problem.start
        while True:
            hidden = self.layers(torch.cat([answer, problem.x], dim=1))
            answer = self.answer(hidden)
            yield Pondered(answer, self.halting(hidden).squeeze(1))


class PonderGraphNetwork(nn.Module):
    """One GINE layer again and again on the node states; the decoder, and halting by their mean."""

    def __init__(self, hidden: int, reads_edge: bool) -> None:
        super().__init__()
        self.trunk = GINETrunk(values=1, hidden=hidden, widths=(hidden,))
        self.decoder = PairDecoder(values=1, hidden=hidden, reads_edge=reads_edge)
        self.halting = nn.Linear(hidden, 1)

    def steps(self, problem: Problem) -> Iterator[Pondered]:
        """What there is after 1, 2, ... steps, without end."""
        by_size = BySize(problem)
        for each in zip(*map(self._steps, by_size.split()), strict=True):
            answers, logits = zip(*each, strict=True)
            yield Pondered(by_size.join(answers), by_size.join(logits))

    def _steps(self, values: Float[Tensor, "b n n 1"]) -> Iterator[Pondered]:
        (layer,), (edge_map,) = self.trunk.layers, self.trunk.edge_maps()
        states = values.new_zeros(*values.shape[:2], layer.nn.in_features)
        while True:
            states = gine(layer, states, values, edge_map)
            yield Pondered(
                self.decoder(states, values), self.halting(states.mean(dim=1)).squeeze(1)
            )
