"""Peak memory: counted from the tensors that live, or as the system saw the process."""

from __future__ import annotations

import resource
import sys
import weakref
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


class HighWater:
    """The most memory held since this was made: by the process, or on a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        elif CLEAR.exists():
            CLEAR.write_text("5")  # proc(5): resets the process's peak

    def read(self) -> int:
        """In bytes. Where the system cannot start anew, the most since the process began."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        if CLEAR.exists():
            (line,) = (s for s in STATUS.read_text().splitlines() if s.startswith("VmHWM"))
            return int(line.split()[1]) * 1024
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


class PeakMemory(TorchDispatchMode):
    """The most bytes that tensors made inside held at once, in ``peak``.

    What was there before does not count, nor does what an operation needs while it runs; on a CPU,
    where nobody keeps such a count, the allocator's own numbers would show what it never gave back.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.peak = 0
        self.known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        given = {_place(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        result = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and _place(tensor) not in given:
                self._count(tensor.untyped_storage())
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self.known:
            return
        self.known.add(storage)
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._freed, storage.nbytes())

    def _freed(self, count: int) -> None:
        self.now -= count


def _place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
