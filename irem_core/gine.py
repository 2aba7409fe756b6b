"""Three GINE layers on complete graphs: the trunk of every graph network here.

GINE (Hu et al., 2020): h_j <- A(h_j + sum_i relu(h_i + e_ij)) with an affine map A, messages going
from row to column. The nodes carry no features of their own, the edges one value or two, each by an
affine map of its own to its share of the edge embedding.

``GINEConv`` of torch-geometric holds the parameters, and is the oracle in the tests. Here they are
used on dense graphs of one size: all that an edge adds to a layer is affine in its few values, so
no product of embeddings is needed per edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn


class EdgeMap(NamedTuple):
    """What edges add to the messages of a layer: values @ slope + offset."""

    slope: Float[Tensor, "k width"]
    offset: Float[Tensor, " width"]


class GINETrunk(nn.Module):
    """Node states [B, n, hidden] from ``values`` numbers per edge [B, n, n, values].

    A layer for each of ``widths``, which it takes node states of; 1 for nodes without features.
    """

    def __init__(self, values: int, hidden: int, widths: Sequence[int] | None = None) -> None:
        from torch_geometric.nn import GINEConv  # here, because it takes a second to import

        super().__init__()
        widths = (1, hidden, hidden) if widths is None else widths
        self.embeddings: Any = nn.ModuleList(nn.Linear(1, hidden // values) for _ in range(values))
        self.layers: Any = nn.ModuleList(
            GINEConv(nn.Linear(width, hidden), edge_dim=hidden // values * values)
            for width in widths
        )

    def forward(self, values: Float[Tensor, "B n n k"]) -> Float[Tensor, "B n hidden"]:
        states = values.new_zeros(*values.shape[:2], 1)
        for layer, edge_map in zip(self.layers, self.edge_maps(), strict=True):
            states = gine(layer, states, values, edge_map)
        return states

    def edge_maps(self) -> list[EdgeMap]:
        """The embedding of an edge and a layer's own map of it, as one map a layer."""
        slopes = torch.block_diag(*[e.weight.T for e in self.embeddings])  # [k, embedding]
        offset = torch.cat([e.bias for e in self.embeddings])  # [embedding]
        return [EdgeMap(slopes @ layer.lin.weight.T, layer.lin(offset)) for layer in self.layers]


def gine(
    layer: Any,
    states: Float[Tensor, "B n width"],
    values: Float[Tensor, "B n n k"],
    edge_map: EdgeMap,
) -> Float[Tensor, "B n hidden"]:
    """One layer."""
    return layer.nn(states + messages(states, values, edge_map).sum(dim=1))


def messages(
    states: Float[Tensor, "B n width"], values: Float[Tensor, "B n n k"], edge_map: EdgeMap
) -> Float[Tensor, "B n n width"]:
    """relu(h_i + e_ij) for every edge from i (rows) to j (columns).

    In place, since a tensor of this size costs more to make than to compute.
    """
    sums = values @ edge_map.slope
    return sums.add_((states + edge_map.offset)[:, :, None]).relu_()
