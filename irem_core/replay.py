"""The replay buffer: problems with the answers reached so far, to go on from."""

from __future__ import annotations

import torch

from irem_core.types import Batch, combine


class Replay:
    """The last ``capacity`` batches' rows, first in first out, as tensors on their device.

    A stored row is a problem whose start is the answer that it was left with.
    """

    def __init__(self, capacity: int, like: Batch) -> None:
        """An empty buffer for rows of the shapes, the type and the device of ``like``."""
        self.capacity = capacity
        self.rows = like.map(lambda rows: rows.new_zeros(capacity, *rows.shape[1:]))
        self.added = 0  # rows ever added

    def __len__(self) -> int:
        return min(self.added, self.capacity)

    def add(self, batch: Batch) -> None:
        """Store every row, over the oldest ones where the buffer is full."""
        batch = batch[-self.capacity :]  # of more rows than fit, the last remain
        place = torch.arange(self.added, self.added + len(batch), device=batch.target.device)
        place %= self.capacity
        combine(lambda rows, new: rows.index_copy_(0, place, new), [self.rows, batch])
        self.added += len(batch)

    def sample(self, count: int, generator: torch.Generator) -> Batch:
        """``count`` rows, drawn uniformly with replacement. Raises ValueError if there are none."""
        if not self.added:
            raise ValueError("the replay buffer is empty: add a batch before sampling from it")
        index = torch.randint(len(self), (count,), generator=generator, device=generator.device)
        return self.rows[index]
