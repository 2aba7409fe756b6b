"""What the networks of the baselines are made of."""

from __future__ import annotations

from itertools import chain, pairwise

from jaxtyping import Float
from torch import Tensor, nn

from irem_core.gine import GINETrunk
from irem_core.graphs import per_size
from irem_core.types import Problem


def perceptron(widths: list[int], activation: type[nn.Module]) -> nn.Sequential:
    """Linear maps from each width to the next, the activation after every one."""
    layers = ((nn.Linear(*each), activation()) for each in pairwise(widths))
    return nn.Sequential(*chain.from_iterable(layers))


class PairDecoder(nn.Module):
    """Edge (i, j) from its two nodes, a linear map of [h_i, h_j]; or of [h_i, h_j, e_ij].

    Without the edge it can only say u_i + v_j, which cannot even copy an edge (Du et al., 2022,
    have it so); with it the comparison is fair.

    values: numbers e_ij per edge, the input and candidate answers.
    """

    def __init__(self, values: int, hidden: int, reads_edge: bool) -> None:
        super().__init__()
        self.nodes = nn.Linear(2 * hidden, 1)
        self.edge = nn.Linear(values, 1, bias=False) if reads_edge else None

    def forward(
        self, states: Float[Tensor, "b n hidden"], values: Float[Tensor, "b n n k"]
    ) -> Float[Tensor, "b n n"]:
        row, column = self.nodes.weight.view(2, -1)
        decoded = (states @ row)[:, :, None] + (states @ column)[:, None, :] + self.nodes.bias
        return decoded if self.edge is None else decoded + self.edge(values).squeeze(-1)


class EdgeNetwork(nn.Module):
    """Three GINE layers on the input and on candidate answers, then the decoder."""

    def __init__(self, values: int, hidden: int, reads_edge: bool) -> None:
        super().__init__()
        self.trunk = GINETrunk(values, hidden)
        self.decoder = PairDecoder(values, hidden, reads_edge)

    def forward(self, problem: Problem, *answers: Float[Tensor, "B NN"]) -> Float[Tensor, "B NN"]:
        return per_size(self._answer, problem, *answers)

    def _answer(self, values: Float[Tensor, "b n n k"]) -> Float[Tensor, "b n n"]:
        return self.decoder(self.trunk(values), values)
