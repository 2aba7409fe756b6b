"""The energy of the graph tasks: GINE layers on input and candidate edge values."""

from __future__ import annotations

from functools import partial

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

    def gradient(self, problem: Problem, answer: Float[Tensor, "B NN"]) -> Float[Tensor, "B NN"]:
        """dE/dy without autograd; nothing of it can be differentiated."""
        with torch.no_grad():
            maps = self.trunk.edge_maps()
            return per_size(partial(self._gradient, maps), problem, answer)

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
            active = torch.ops.aten.threshold_backward(
                arriving[:, None].expand_as(message), message, 0
            )  # [B, n, n, width]
            gradient += active @ edge_map.slope[1]
            back = arriving + active.sum(dim=2)
        return gradient

    def _head_gradient(self, states: Float[Tensor, "B n hidden"]) -> Float[Tensor, "B n hidden"]:
        pooled, node = states.max(dim=1)
        hidden = self.head(pooled)
        back = (self.out.weight[0] * (hidden > 0)) @ self.head.weight  # [B, hidden]
        return torch.zeros_like(states).scatter_(1, node[:, None], back[:, None])
