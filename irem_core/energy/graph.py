"""The energy of the graph tasks: GINE layers on input and candidate edge values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irem_core.descent import descend
from irem_core.gine import EdgeMap, GINETrunk, messages
from irem_core.graphs import BySize
from irem_core.precision import precision_here
from irem_core.types import Problem, StepRule, last


class GraphEnergy(nn.Module):
    """Three GINE layers, the maximum over nodes, one hidden layer with ReLU (Du et al., 2022).

    Piecewise linear in y: its gradient depends on the biases and on the maps of the input edges
    only through which pieces are active, so none of these is ever trained. So it was published.
    ``idle_entries`` counts what is not trained of parameters that are, in part.
    """

    def __init__(self, hidden: int = 128) -> None:
        super().__init__()
        if hidden % 2:
            raise ValueError(f"hidden must be even, half for either edge value, not {hidden}")
        self.trunk = GINETrunk(values=2, hidden=hidden)
        self.head = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)
        biases = [p for name, p in self.named_parameters() if name.endswith("bias")]
        for parameter in (*biases, self.trunk.embeddings[0].weight):
            parameter.requires_grad_(False)
        # half of each layer's map of the edge embedding is for the input edge
        self.idle_entries = sum(layer.lin.weight.numel() // 2 for layer in self.trunk.layers)

    def forward(self, problem: Problem, answer: Float[Tensor, "B NN"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> GraphLandscape:
        """E(x, .), with the graphs grouped by size and the edge maps made once."""
        return GraphLandscape(self, problem)

    def energy(self, maps: Maps, values: Float[Tensor, "B n n 2"]) -> Float[Tensor, " B"]:
        """Of graphs of one size, from input and candidate edge values."""
        _, states = self._forward(maps, values)
        return self.out(self.head(states.amax(dim=1)).relu()).squeeze(1)

    def gradient(self, maps: Maps, values: Float[Tensor, "B n n 2"]) -> Float[Tensor, "B n n"]:
        """Forward through the layers, then back through their active pieces."""
        sent, states = self._forward(maps, values)
        top = self._top(states)
        back, gradient = top.back, torch.zeros_like(values[..., 0])
        for layer, edge_map, message in zip(
            reversed(self.trunk.layers), reversed(maps), reversed(sent), strict=True
        ):
            arriving = back @ layer.nn.weight  # [B, n, width], of what a node sums up
            active = _where_active(arriving[:, None], message, out=message)  # not needed again
            gradient += active @ edge_map.slope[1]
            back = arriving + active.sum(dim=2)
        return gradient

    def passes(self, maps: Maps, values: Float[Tensor, "B n n 2"]) -> Passes:
        """The same, with all that is passed on the way kept."""
        sent, states = self._forward(maps, values)
        top = self._top(states)
        backs, arrivals, gradient = [top.back], [], torch.zeros_like(values[..., 0])
        for layer, edge_map, message in zip(
            reversed(self.trunk.layers), reversed(maps), reversed(sent), strict=True
        ):
            arrivals.append(backs[-1] @ layer.nn.weight)
            active = _where_active(arrivals[-1][:, None], message)
            gradient += active @ edge_map.slope[1]
            backs.append(arrivals[-1] + active.sum(dim=2))
        return Passes(gradient, sent, arrivals[::-1], backs[-2::-1], top)

    def along(self, maps: Maps, passes: Passes, direction: Float[Tensor, "B n n"]) -> list[Tensor]:
        """The derivatives of the slope dE/dy * direction, a sum over graphs.

        By the slopes, by the weights of the layers, of the hidden layer and of the last. Forward
        along the direction; what comes back is what came back for the gradient.
        """
        moving = direction.new_zeros(*direction.shape[:2], 1)
        by_slopes, by_weights = [], []
        for layer, edge_map, message, arriving, back in zip(
            self.trunk.layers, maps, passes.sent, passes.arrivals, passes.backs, strict=True
        ):
            active = _where_active(arriving[:, None], message)
            by_slopes.append(direction.flatten() @ active.flatten(0, 2))
            moves = torch.addcmul(moving[:, :, None], direction[..., None], edge_map.slope[1])
            summed = moving + _where_active(moves, message, out=moves).sum(dim=1)
            by_weights.append(back.flatten(0, 1).T @ summed.flatten(0, 1))
            moving = summed @ layer.nn.weight.T
        pooled = (moving * passes.top.shares).sum(dim=1)  # [B, hidden]
        hidden = pooled @ self.head.weight.T * passes.top.on
        on = passes.top.on * self.out.weight[0]
        return [*by_slopes, *by_weights, on.T @ pooled, hidden.sum(dim=0, keepdim=True)]

    def _forward(
        self, maps: Maps, values: Float[Tensor, "B n n 2"]
    ) -> tuple[list[Float[Tensor, "B n n width"]], Float[Tensor, "B n hidden"]]:
        """The messages of every layer, and the states that the last one gives."""
        states, sent = values.new_zeros(*values.shape[:2], 1), []
        for layer, edge_map in zip(self.trunk.layers, maps, strict=True):
            sent.append(messages(states, values, edge_map))
            states = layer.nn(states + sent[-1].sum(dim=1))
        return sent, states

    def _top(self, states: Float[Tensor, "B n hidden"]) -> Top:
        pooled = states.amax(dim=1)
        largest, on = shares(states, pooled), (self.head(pooled) > 0).to(states.dtype)
        back = (self.out.weight[0] * on) @ self.head.weight  # [B, hidden]
        return Top(largest, on, back[:, None] * largest)


Maps = Sequence[EdgeMap]
"""What edges add to the messages of every layer: slope[1] per unit of a candidate edge value."""


class Top(NamedTuple):
    """Above the layers: the share of each node in the maximum, and which hidden units are on."""

    shares: Float[Tensor, "B n hidden"]
    on: Float[Tensor, "B hidden"]
    back: Float[Tensor, "B n hidden"]  # dE by the states below


class Passes(NamedTuple):
    """What is passed through every layer, from the first on, and the gradient that results."""

    gradient: Float[Tensor, "B n n"]
    sent: list[Float[Tensor, "B n n width"]]  # messages
    arrivals: list[Float[Tensor, "B n width"]]  # dE by what a node sums up
    backs: list[Float[Tensor, "B n hidden"]]  # dE by the states that a layer gives
    top: Top


class GraphLandscape:
    """The energy of answers to given problems, one size of graphs at a time."""

    def __init__(self, energy: GraphEnergy, problem: Problem) -> None:
        self.energy, self.by_size = energy, BySize(problem)
        self.maps = energy.trunk.edge_maps()

    def __call__(self, answer: Float[Tensor, "B NN"]) -> Float[Tensor, " B"]:
        of_size = partial(self.energy.energy, self.maps)
        return self.by_size.join(map(of_size, self.by_size.split(answer))).to(answer.dtype)

    def gradient(
        self, answer: Float[Tensor, "B NN"], keep_graph: bool = False
    ) -> Float[Tensor, "B NN"]:
        """dE/dy, back through the active pieces; it needs no autograd of the energy."""
        if keep_graph:
            energy, slopes = self.energy, [edge_map.slope[1] for edge_map in self.maps]
            weights = [layer.nn.weight for layer in energy.trunk.layers]
            weights += [energy.head.weight, energy.out.weight]
            return _Gradient.apply(self, answer, *slopes, *weights)
        with torch.no_grad():
            of_size = partial(self.energy.gradient, self.maps)
            return self.by_size.join(map(of_size, self.by_size.split(answer)))

    def leap(
        self, answer: Float[Tensor, "B NN"], steps: int, rule: StepRule
    ) -> Float[Tensor, "B NN"]:
        """The answer after ``steps`` steps: here there is no shorter way."""
        return last(descend(self, answer, steps, rule))


def _where_active(values: Tensor, message: Tensor, out: Tensor | None = None) -> Tensor:
    """The values where the message passed, else 0; into ``out`` if it is given."""
    values = values.expand_as(message)
    if out is None:
        return torch.ops.aten.threshold_backward(values, message, 0)
    return torch.ops.aten.threshold_backward(values, message, 0, grad_input=out)


def shares(
    states: Float[Tensor, "B n hidden"], pooled: Float[Tensor, "B hidden"]
) -> Float[Tensor, "B n hidden"]:
    """The derivative of the maximum over nodes: nodes that tie share it, as in autograd."""
    largest = (states == pooled[:, None]).to(states.dtype)
    return largest / largest.sum(dim=1, keepdim=True)


class _Gradient(torch.autograd.Function):
    """dE/dy as a function of the parameters, with its derivative in closed form.

    For a loss whose derivative by the gradient is v, its derivative by the parameters is that of
    the slope dE/dy * v with v held fixed. By y there is none: the energy is piecewise linear.
    """

    @staticmethod
    def forward(ctx: Any, landscape: GraphLandscape, answer: Tensor, *parameters: Tensor) -> Tensor:
        ctx.landscape, ctx.precision = landscape, precision_here(answer)  # to differentiate in
        of_size = partial(landscape.energy.passes, landscape.maps)
        ctx.passes = list(map(of_size, landscape.by_size.split(answer)))
        return landscape.by_size.join(passes.gradient for passes in ctx.passes)

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor) -> Any:
        landscape = ctx.landscape
        directions = (both[..., 1] for both in landscape.by_size.split(derivatives[0]))
        with ctx.precision:
            each = [
                landscape.energy.along(landscape.maps, passes, direction)
                for passes, direction in zip(ctx.passes, directions, strict=True)
            ]
        return (None, None, *(sum(parts) for parts in zip(*each, strict=True)))
