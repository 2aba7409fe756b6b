"""Shortest paths with a shortcut that the input does not show: what no method was trained on."""

from __future__ import annotations

from dataclasses import replace

import torch

from irem_core.tasks import ShortestPath
from irem_core.types import Batch


def with_shortcut(task: ShortestPath, batch: Batch) -> Batch:
    """The two nodes of every graph that are farthest apart are given as being at one place.

    So others are nearer to each other too. A method is told two entries, there and back, to be 0,
    by ``problem.known``; its input is as it was.
    """
    problem = batch.problem
    rows = torch.arange(len(batch))
    there = batch.target.argmax(dim=1)
    back = there % problem.side * problem.side + there // problem.side
    known, edges = torch.full_like(batch.target, torch.nan), problem.x.clone()
    for entry in (there, back):
        known[rows, entry] = edges[rows, entry] = 0
    return Batch(replace(problem, known=known), task.exact(replace(problem, x=edges)))
