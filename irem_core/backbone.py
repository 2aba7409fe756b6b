"""The backbone of the structured methods: one small network for every entry of an answer.

It sees the entry, the input there, and what the symmetries of the domain let it know of the others;
so its parameters fit any size. With an energy on top, without one, or asked once, it is the same.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from irem_core.tasks.matrix import Completion, Inverse
from irem_core.types import Problem, Task

SOFTEST = 4.5  # the sharpness that soft minima and maxima start with
ABSENT = -1e4  # before an exponential: a node that is not there
LEAST = 1e-30  # before a logarithm


class Features(nn.Module):
    """What an entry is known by: [B, n, n, k] inputs and [B, n, n] candidates -> [..., width]."""

    width: int


class PairFeatures(Features):
    """What is known of a pair of nodes, whatever the nodes are called.

    Edges and candidate edges both ways; and in every channel the softly shortest, or widest, way
    over one node between: 1/s logsumexp_k s (p_ik + q_kj), where p and q are learned mixtures of
    the candidate and the input, and s is negative for a minimum. Such a sum over k is a product of
    matrices of exponentials.
    """

    sign: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.width = 4 + channels
        self.first, self.second = (nn.Linear(2, channels, bias=False) for _ in range(2))
        for mixture in (self.first, self.second):
            nn.init.normal_(mixture.weight, mean=0.5, std=0.3)
        sign = torch.ones(channels)
        sign[: math.ceil(0.75 * channels)] = -1
        self.register_buffer("sign", sign)
        self.log_sharpness = nn.Parameter(torch.full((channels,), math.log(SOFTEST)))

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        edges = x[..., 0]
        both = torch.stack([y, edges], dim=-1)
        here = torch.stack([edges, edges.mT, y, y.mT], dim=-1)
        return torch.cat([here, self._between(both, mask[:, None])], dim=-1)

    def _between(
        self, both: Float[Tensor, "B n n 2"], mask: Bool[Tensor, "B 1 n n"]
    ) -> Float[Tensor, "B n n channels"]:
        sharpness = (self.sign * self.log_sharpness.exp())[:, None, None]
        to, fro = (
            (sharpness * mixture(both).permute(0, 3, 1, 2)).masked_fill(~mask, ABSENT)
            for mixture in (self.first, self.second)
        )  # [B, channels, n, n]
        most_to, most_fro = to.amax(3, keepdim=True).detach(), fro.amax(2, keepdim=True).detach()
        ways = ((to - most_to).exp() * mask) @ ((fro - most_fro).exp() * mask)
        softly = ((ways + LEAST).log() + most_to + most_fro) / sharpness
        return softly.masked_fill(~mask, 0).permute(0, 2, 3, 1)


class EntryFeatures(Features):
    """The inputs and the candidate at an entry."""

    def __init__(self, matrices: int) -> None:
        super().__init__()
        self.width = matrices + 1

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        return torch.cat([x, y[..., None]], dim=-1)


class ProductFeatures(Features):
    """Of a symmetric matrix S and a candidate Y: both, the identity, and SY, YS, YSY and SYS.

    All that is asked of an entry turns with S and Y where both are turned alike.
    """

    width = 7

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        s = x[..., 0] / x.shape[1]  # whose size is then the same for any n
        one = torch.eye(s.shape[1], dtype=s.dtype, device=s.device).expand_as(s)
        sy, ys = s @ y, y @ s
        return torch.stack([s, y, one, sy, ys, y @ sy, s @ ys], dim=-1)


class ExchangeableFeatures(Features):
    """Of a matrix of which some entries are known: they may be exchanged by rows and by columns.

    The known entry, whether it is known, the candidate; means over rows, columns and all of what
    the candidate lacks where it is known; and what the rows and columns that are alike, by the
    products of known entries, have at the entry.
    """

    width = 9

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        given, size = x[..., 0], x.shape[1]
        known = (given != 0).to(given)
        lacking = known * (given - y)
        means = [lacking.mean(dims, keepdim=True).expand_as(y) for dims in ((2,), (1,), (1, 2))]
        filled = known * given + (1 - known) * y
        by_rows = filled @ filled.mT @ lacking / size
        by_columns = lacking @ filled.mT @ filled / size
        alike = filled @ filled.mT @ filled / size
        return torch.stack([given, known, y, *means, by_rows, by_columns, alike], dim=-1)


def features_for(task: Task, channels: int) -> Features:
    """Those that the symmetries of a task allow."""
    if task.domain == "graph":
        return PairFeatures(channels)
    if isinstance(task, Inverse):
        return ProductFeatures()
    if isinstance(task, Completion):
        return ExchangeableFeatures()
    return EntryFeatures(task.n_in // task.n_out)


class Backbone(nn.Module):
    """``outputs`` numbers for every entry, by one network for all: features -> hidden -> hidden."""

    def __init__(self, task: Task, outputs: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.features = features_for(task, channels)
        self.net = nn.Sequential(
            nn.Linear(self.features.width, hidden),
            nn.SiLU(),
            nn.Linear(hidden, hidden),
            nn.SiLU(),
            nn.Linear(hidden, outputs),
        )
        self.straight = nn.Linear(self.features.width, outputs, bias=False)
        nn.init.zeros_(self.straight.weight)

    def forward(
        self, problem: Problem, answer: Float[Tensor, "B n_out"]
    ) -> Float[Tensor, "B n_out outputs"]:
        """0 beyond the nodes of a graph."""
        shape = (len(problem), -1, problem.side, problem.side)
        x = problem.x.view(shape).movedim(1, -1)  # [B, n, n, matrices]
        y, mask = answer.view(-1, *shape[2:]), problem.mask.view(-1, *shape[2:])
        known = self.features(x, y, mask)
        return ((self.net(known) + self.straight(known)) * mask[..., None]).flatten(1, 2)
