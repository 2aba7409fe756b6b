"""The energy around a descent: over two planes through its end, with its path."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from irem_core.streams import stream
from irem_core.types import Energy, Problem

GRID = 33  # points a side
MARGIN = 0.2  # of the path's extent, on every side
PLANES = ("principal", "random")


@torch.no_grad()
def landscape(
    energy: Energy,
    problem: Problem,
    answers: Float[Tensor, "T+1 n_out"],
    target: Float[Tensor, " n_out"],
) -> pd.DataFrame:
    """Of one problem, ``problem`` having one row, the energy of answers near those of a descent.

    The planes go through the last answer: along the two directions in which the path has its
    largest extent (principal components), and along two random ones. Columns: plane; kind, which is
    ``energy`` on a square grid, ``path``, ``target``; u, v, coordinates in the plane, of what is
    not in it those of its projection; energy; step of the path.
    """
    end = answers[-1].double()  # projections are exact whatever the network computes in
    way = answers.double() - end  # [T+1, n_out]
    _, _, principal = torch.linalg.svd(way - way.mean(dim=0), full_matrices=False)
    directions = {"principal": principal[:2], "random": _random_directions(problem).to(end)}
    centre, half = _square(way @ principal[:2].T)
    to_target, of_target = (target.double() - end)[None], energy.at(problem)(target[None])
    parts = []
    for plane in PLANES:
        along = directions[plane]  # [2, n_out]
        here = centre if plane == "principal" else torch.zeros_like(centre)
        parts += [
            _on_grid(energy, problem, end, along, here, half),
            _projected("path", way, along, energy.at(_many(problem, len(way)))(answers)),
            _projected("target", to_target, along, of_target),
        ]
        for part in parts[-3:]:
            part.insert(0, "plane", plane)
    return pd.concat(parts, ignore_index=True)


def _random_directions(problem: Problem) -> Float[Tensor, "2 n_out"]:
    """Two that are orthogonal and of length 1."""
    drawn = torch.randn(
        2, problem.start.shape[1], generator=stream("landscape"), dtype=torch.float32
    ).double()
    return torch.linalg.qr((drawn * problem.mask.cpu()).T).Q.T


def _square(path: Float[Tensor, "T+1 2"]) -> tuple[Float[Tensor, " 2"], float]:
    """The centre and half of the side of a square around a path."""
    low, high = path.min(dim=0).values, path.max(dim=0).values
    return (low + high) / 2, (0.5 + MARGIN) * float((high - low).max().clamp(min=1e-6))


def _on_grid(
    energy: Energy, problem: Problem, end: Tensor, along: Tensor, centre: Tensor, half: float
) -> pd.DataFrame:
    ticks = torch.linspace(-half, half, GRID).to(end)
    places = torch.cartesian_prod(ticks, ticks) + centre  # [GRID², 2]
    answers = (end + places @ along).to(problem.start)
    energies = energy.at(_many(problem, len(places)))(answers)
    return _frame("energy", places, energies)


def _projected(kind: str, ways: Tensor, along: Tensor, energies: Tensor) -> pd.DataFrame:
    return _frame(kind, ways @ along.T, energies)


def _frame(kind: str, places: Float[Tensor, "P 2"], energies: Float[Tensor, " P"]) -> pd.DataFrame:
    u, v = places.cpu().numpy().T
    steps = np.arange(len(u)) if kind == "path" else np.zeros(len(u), dtype=int)
    return pd.DataFrame(
        {"kind": kind, "step": steps, "u": u, "v": v, "energy": energies.cpu().numpy()}
    )


def _many(problem: Problem, count: int) -> Problem:
    """The one problem, so many times."""
    return problem[torch.zeros(count, dtype=torch.long, device=problem.x.device)]
