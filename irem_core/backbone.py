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

SHARPNESS = (3.0, 12.0)  # that the soft minima and maxima start with, from first to last
ABSENT = -1e4  # before an exponential: a node that is not there
LEAST = 1e-30  # before a logarithm
TINY = 1e-3  # before a division


class Features(nn.Module):
    """What an entry is known by: [B, n, n, k] inputs and [B, n, n] candidates -> [..., width]."""

    width: int


AGGREGATIONS = ("soft", "max", "sum")
"""Over the nodes between: a soft minimum or maximum, a hard one, the mean of products."""


class PairFeatures(Features):
    """What is known of a pair of nodes, whatever the nodes are called.

    Edges and candidate edges both ways; and in every channel what there is between them, over all
    nodes k, of p_ik and q_kj, which are learned mixtures of the candidate and the input. ``soft``:
    the softly shortest, or widest, way, 1/s logsumexp_k s (p_ik + q_kj), s being negative for a
    minimum; such a sum over k is a product of matrices of exponentials. ``max``: the same with s
    without bound. ``sum``: the mean over k of p_ik q_kj, as in Maron et al., "Provably Powerful
    Graph Networks", 2019.
    """

    sign: Tensor

    def __init__(self, channels: int, aggregation: str = "soft") -> None:
        super().__init__()
        if aggregation not in AGGREGATIONS:
            raise ValueError(
                f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {aggregation!r}"
            )
        self.aggregation = aggregation
        self.width = 4 + channels
        self.first, self.second = (nn.Linear(2, channels, bias=False) for _ in range(2))
        for mixture in (self.first, self.second):
            nn.init.normal_(mixture.weight, mean=0.5, std=0.3)
        sign = torch.ones(channels)
        sign[::2] = -1
        self.register_buffer("sign", sign)
        if aggregation == "soft":
            softest, sharpest = map(math.log, SHARPNESS)
            self.log_sharpness = nn.Parameter(torch.linspace(softest, sharpest, channels))

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        edges = x[..., 0]
        both = torch.stack([y, edges], dim=-1)
        here = torch.stack([edges, edges.mT, y, y.mT], dim=-1)
        to, fro = (mixture(both).permute(0, 3, 1, 2) for mixture in (self.first, self.second))
        between = self._between(to, fro, mask[:, None]).masked_fill(~mask[:, None], 0)
        return torch.cat([here, between.permute(0, 2, 3, 1)], dim=-1)

    def _between(
        self,
        to: Float[Tensor, "B channels n n"],
        fro: Float[Tensor, "B channels n n"],
        mask: Bool[Tensor, "B 1 n n"],
    ) -> Float[Tensor, "B channels n n"]:
        """Over the nodes that are there; beyond them anything."""
        if self.aggregation == "sum":
            nodes = mask.sum(dim=3, keepdim=True).amax(dim=2, keepdim=True)
            return (to * mask) @ (fro * mask) / nodes
        soft = self.aggregation == "soft"
        sharpness = (self.sign * self.log_sharpness.exp() if soft else self.sign)[:, None, None]
        to, fro = ((sharpness * each).masked_fill(~mask, ABSENT) for each in (to, fro))
        if not soft:
            return (to[..., None] + fro[:, :, None]).amax(dim=3) / sharpness  # of [.., i, k, j]
        most_to, most_fro = to.amax(3, keepdim=True).detach(), fro.amax(2, keepdim=True).detach()
        ways = ((to - most_to).exp() * mask) @ ((fro - most_fro).exp() * mask)
        return ((ways + LEAST).log() + most_to + most_fro) / sharpness


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
    """Of a symmetric matrix S, with m the mean of its eigenvalues, and a candidate Y.

    SY/m and YS/m beside 1/m, YSY/m beside Y/m, SYS/m² beside S/m²: alike if Y is the inverse; S/m,
    Y and the identity themselves. Entries are seen by asinh, as numbers if small and by their order
    of magnitude if large, as products with a random start are. All of them see how far SY and YS
    are from the identity.
    """

    width = 11

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        one = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        mean = x[..., 0].diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]  # of the eigenvalues
        scale = mean.where(mean > 0, 1)
        s = x[..., 0] / scale
        sy, ys = s @ y, y @ s
        misses = torch.stack([scale * sy - one, scale * ys - one]).square().mean((0, 2, 3))  # [B]
        entries = [s, s / scale, s @ ys, y, y / scale, y @ sy, sy, ys, one / scale]
        entries += [one.expand_as(s)]
        far = misses.log1p()[:, None, None].expand_as(s)
        return torch.stack([*(each.asinh() for each in entries), far], dim=-1)


class ExchangeableFeatures(Features):
    """Of a matrix of which some entries are known: they may be exchanged by rows and by columns.

    The known entry, whether it is known, the candidate, and the one of them that counts; that
    matrix F, and the known entries alone, as F F'F / ||F||², in which large singular values stand
    out (once, and twice); the mean squares of F and of the candidate where nothing is known.
    """

    width = 9

    def forward(
        self, x: Float[Tensor, "B n n k"], y: Float[Tensor, "B n n"], mask: Bool[Tensor, "B n n"]
    ) -> Float[Tensor, "B n n width"]:
        given = x[..., 0]
        known = (given != 0).to(given)
        guessed = (1 - known) * y
        filled = given + guessed
        low = _low_rank(filled)
        sizes = [each.square().mean((1, 2), keepdim=True) for each in (filled, guessed)]
        entries = [given, y, filled, low, _low_rank(low), _low_rank(given)]
        entries += [size.expand_as(y) for size in sizes]
        return torch.stack([known, *entries], dim=-1)


def _low_rank(matrix: Float[Tensor, "B n n"]) -> Float[Tensor, "B n n"]:
    """M M'M / ||M||²: a singular value s becomes s³ over the sum of all squares."""
    size = matrix.square().sum((1, 2), keepdim=True)
    return matrix @ (matrix.mT @ matrix) / (size + TINY)


def features_for(task: Task, channels: int, aggregation: str) -> Features:
    """Those that the symmetries of a task allow."""
    if task.domain == "graph":
        return PairFeatures(channels, aggregation)
    if isinstance(task, Inverse):
        return ProductFeatures()
    if isinstance(task, Completion):
        return ExchangeableFeatures()
    return EntryFeatures(task.n_in // task.n_out)


class Backbone(nn.Module):
    """``outputs`` numbers for every entry, by one network for all: features -> hidden -> hidden."""

    def __init__(
        self, task: Task, outputs: int, hidden: int, channels: int, aggregation: str = "soft"
    ) -> None:
        super().__init__()
        self.features = features_for(task, channels, aggregation)
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
        if problem.nodes is None:
            return self._of(known).to(y).flatten(1, 2)
        outputs = y.new_zeros(*known.shape[:-1], self.straight.out_features)
        there = mask.nonzero(as_tuple=True)  # small graphs would else be mostly absent nodes
        return outputs.index_put(there, self._of(known[there]).to(y)).flatten(1, 2)

    def _of(self, known: Float[Tensor, "... width"]) -> Float[Tensor, "... outputs"]:
        return self.net(known) + self.straight(known)
