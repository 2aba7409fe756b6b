"""The graph network of the baselines: GINE layers, then a linear decoder for every edge."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from irem_core.gine import GINETrunk
from irem_core.graphs import per_size
from irem_core.types import Problem


class EdgeNetwork(nn.Module):
    """Edge (i, j) is a linear map of [h_i, h_j]; with ``reads_edge`` of [h_i, h_j, e_ij].

    Without the edge it can only say u_i + v_j, which cannot even copy an edge (Du et al., 2022,
    have it so); with it the comparison is fair.

    values: numbers per edge that it reads, the input and candidate answers.
    """

    def __init__(self, values: int, hidden: int, reads_edge: bool) -> None:
        super().__init__()
        self.trunk = GINETrunk(values, hidden)
        self.nodes = nn.Linear(2 * hidden, 1)
        self.edge = nn.Linear(values, 1, bias=False) if reads_edge else None

    def forward(self, problem: Problem, *answers: Float[Tensor, "B NN"]) -> Float[Tensor, "B NN"]:
        return per_size(self._decode, problem, *answers)

    def _decode(self, values: Float[Tensor, "b n n k"]) -> Float[Tensor, "b n n"]:
        states = self.trunk(values)  # [b, n, hidden]
        row, column = self.nodes.weight.view(2, -1)
        decoded = (states @ row)[:, :, None] + (states @ column)[:, None, :] + self.nodes.bias
        return decoded if self.edge is None else decoded + self.edge(values).squeeze(-1)
