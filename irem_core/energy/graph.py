"""The energy of the graph tasks: GINE layers on input and candidate edge values."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irem_core.gine import EdgeMap, GINETrunk, messages
from irem_core.graphs import per_size
from irem_core.types import Problem


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
        return per_size(self._energy, problem, answer)

    def gradient(
        self, problem: Problem, answer: Float[Tensor, "B NN"], keep_graph: bool = False
    ) -> Float[Tensor, "B NN"]:
        """dE/dy, back through the active pieces; it needs no autograd of the energy."""
        if keep_graph:
            return _Gradient.apply(self, problem, answer, *self.parameters())
        with torch.no_grad():
            maps = self.trunk.edge_maps()
            return per_size(partial(self._gradient, maps), problem, answer)

    def slope(
        self,
        problem: Problem,
        answer: Float[Tensor, "B NN"],
        direction: Float[Tensor, "B NN"],
    ) -> Float[Tensor, " B"]:
        """dE/dy * direction: forward through the active pieces. Autograd differentiates it."""
        maps = self.trunk.edge_maps()
        return per_size(partial(self._slope, maps), problem, answer, direction)

    def _energy(self, values: Float[Tensor, "B n n 2"]) -> Float[Tensor, " B"]:
        pooled = self.trunk(values).amax(dim=1)  # [B, hidden]
        return self.out(self.head(pooled).relu()).squeeze(1)

    def _gradient(
        self, maps: list[EdgeMap], values: Float[Tensor, "B n n 2"]
    ) -> Float[Tensor, "B n n"]:
        """Forward through the layers, then back through their active pieces."""
        states = values.new_zeros(*values.shape[:2], 1)
        sent = []
        for layer, edge_map in zip(self.trunk.layers, maps, strict=True):
            sent.append(messages(states, values, edge_map))
            states = layer.nn(states + sent[-1].sum(dim=1))
        back = self._head_gradient(states)  # [B, n, hidden], of the states
        gradient = torch.zeros_like(values[..., 0])
        for layer, edge_map, message in zip(
            reversed(self.trunk.layers), reversed(maps), reversed(sent), strict=True
        ):
            arriving = back @ layer.nn.weight  # [B, n, width], of what a node sums up
            torch.ops.aten.threshold_backward(  # in place: the message is not needed again
                arriving[:, None].expand_as(message), message, 0, grad_input=message
            )
            active = message  # [B, n, n, width]: what arrives, where the message was active
            gradient += active @ edge_map.slope[1]
            back = arriving + active.sum(dim=2)
        return gradient

    def _head_gradient(self, states: Float[Tensor, "B n hidden"]) -> Float[Tensor, "B n hidden"]:
        pooled = states.amax(dim=1)
        back = (self.out.weight[0] * (self.head(pooled) > 0)) @ self.head.weight  # [B, hidden]
        return back[:, None] * shares(states, pooled)

    def _slope(self, maps: list[EdgeMap], values: Float[Tensor, "B n n 3"]) -> Float[Tensor, " B"]:
        """How the states, and at last the energy, move when the candidate edges do.

        The states themselves are only needed to say which pieces are active.
        """
        edges, direction = values[..., :2], values[..., 2:]  # direction: [B, n, n, 1]
        states = moving = values.new_zeros(*values.shape[:2], 1)
        for layer, edge_map in zip(self.trunk.layers, maps, strict=True):
            with torch.no_grad():
                message = messages(states, edges, edge_map)
                states = layer.nn(states + message.sum(dim=1))
                active = message.gt_(0)  # in place: only its sign is needed now
            moves = torch.addcmul(moving[:, :, None], direction, edge_map.slope[1])
            moving = (moving + (moves * active).sum(dim=1)) @ layer.nn.weight.T
        pooled = states.amax(dim=1)
        moving = (moving * shares(states, pooled)).sum(dim=1) @ self.head.weight.T  # [B, hidden]
        return (moving * (self.head(pooled) > 0)) @ self.out.weight[0]


def shares(
    states: Float[Tensor, "B n hidden"], pooled: Float[Tensor, "B hidden"]
) -> Float[Tensor, "B n hidden"]:
    """The derivative of the maximum over nodes: nodes that tie share it, as in autograd."""
    largest = (states == pooled[:, None]).to(states.dtype)
    return largest / largest.sum(dim=1, keepdim=True)


class _Gradient(torch.autograd.Function):
    """dE/dy as a function of the parameters.

    For a loss whose derivative by the gradient is v, its derivative by the parameters is that of
    the slope dE/dy * v with v held fixed. By y there is none: the energy is piecewise linear.
    """

    @staticmethod
    def forward(
        context: Any, energy: GraphEnergy, problem: Problem, answer: Tensor, *parameters: Tensor
    ) -> Tensor:
        context.energy, context.problem, context.parameters = energy, problem, parameters
        context.save_for_backward(answer)
        return energy.gradient(problem, answer)

    @staticmethod
    def backward(context: Any, *derivatives: Tensor) -> Any:
        (answer,) = context.saved_tensors
        trained = [p for p in context.parameters if p.requires_grad]
        with torch.enable_grad():
            slope = context.energy.slope(context.problem, answer.detach(), derivatives[0].detach())
            gradients = iter(torch.autograd.grad(slope.sum(), trained, allow_unused=True))
        each = [next(gradients) if p.requires_grad else None for p in context.parameters]
        return (None, None, None, *each)
