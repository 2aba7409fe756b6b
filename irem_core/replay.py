"""The replay buffer: problems with the answers reached so far, to go on from."""

from __future__ import annotations

import torch

from irem_core.types import Batch, combine


class Replay:
    """The last ``capacity`` rows of batches, first in first out, as tensors on their device.

    A stored row is a problem whose start is the answer that it was left with. Nothing of it is read
    by the host, so that a CUDA graph can use it.
    """

    def __init__(self, capacity: int, like: Batch) -> None:
        """An empty buffer for rows of the shapes, the type and the device of ``like``."""
        self.capacity = capacity
        self.rows = like.map(lambda rows: rows.new_zeros(capacity, *rows.shape[1:]))
        self.added = like.target.new_zeros((), dtype=torch.long)  # rows ever added
        self.empty = True

    def add(self, batch: Batch) -> None:
        """Store every row, over the oldest ones where the buffer is full."""
        batch = batch[-self.capacity :]  # of more rows than fit, the last remain
        place = self.added + torch.arange(len(batch), device=self.added.device)
        place %= self.capacity
        combine(lambda rows, new: rows.index_copy_(0, place, new), [self.rows, batch])
        self.added += len(batch)
        self.empty = False

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """``count`` rows, drawn uniformly with replacement. Raises ValueError if there are none."""
        if self.empty:
            raise ValueError("the replay buffer is empty: add a batch before sampling from it")
        chance = torch.rand(
            count, generator=generator, dtype=torch.float64, device=generator.device
        )
        return self.rows[(chance * self.added.clamp(max=self.capacity)).long()]
