"""Energies that are added: an answer is to fit the one and the other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.automatic import AutomaticLandscape
from irem_core.types import Energy, Landscape, Problem


@dataclass(frozen=True)
class SumOfEnergies:
    """E_1(x, y) + E_2(x, y) + ..., of energies that may know nothing of each other."""

    terms: tuple[Energy, ...]

    def __call__(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> SumOfLandscapes:
        """E_1(x, .) + E_2(x, .) + ..."""
        return SumOfLandscapes([term.at(problem) for term in self.terms])


class SumOfLandscapes(AutomaticLandscape):
    """The sum of energies of given problems; its gradient is that of their gradients."""

    def __init__(self, terms: list[Landscape]) -> None:
        self.terms = terms

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return torch.stack([term(answer) for term in self.terms]).sum(dim=0)

    def gradient(
        self, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]:
        """dE/dy."""
        return torch.stack([term.gradient(answer, keep_graph) for term in self.terms]).sum(dim=0)


@dataclass(frozen=True)
class KnownEntries:
    """weight * sum of (y - v)², over the entries v of the answer that a problem says are known."""

    weight: float

    def __call__(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> KnownLandscape:
        """E(x, .). Raises ValueError if nothing of the answers is known."""
        if problem.known is None:
            raise ValueError("no entry of the answers is known: the problems' known is None")
        return KnownLandscape(problem.known, self.weight)


@dataclass(frozen=True)
class KnownLandscape(AutomaticLandscape):
    """The energy of answers to problems of whose answers some entries are known."""

    known: Float[Tensor, "B n_out"]  # nan where they are not
    weight: float

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        misses = torch.where(self.known.isnan(), 0, answer - self.known.nan_to_num())
        return self.weight * misses.square().sum(dim=1)
