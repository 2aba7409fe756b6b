"""The numbers that a method computes with."""

from __future__ import annotations

import torch

DTYPES = {"float32": torch.float32, "float64": torch.float64, "mixed": torch.float32}
"""Of parameters, problems and answers."""


def precision(dtype: str, device: torch.device | str) -> torch.autocast:
    """A context that everything of a run is computed in.

    ``mixed``: matrix products of bfloat16 numbers, summed up in float32; parameters, answers,
    losses and the optimiser stay float32. Otherwise nothing changes. Raises ValueError on a CUDA
    device that has no bfloat16.
    """
    kind, mixed = torch.device(device).type, dtype == "mixed"
    if mixed and kind == "cuda" and not torch.cuda.is_bf16_supported(False):  # not emulated
        raise ValueError("dtype mixed needs bfloat16, which this CUDA device does not have")
    return torch.autocast(kind, torch.bfloat16, enabled=mixed)


def precision_here(tensor: torch.Tensor) -> torch.autocast:
    """The context that this is called in, to compute what belongs to a tensor in it again."""
    kind = tensor.device.type
    return torch.autocast(
        kind, torch.get_autocast_dtype(kind), enabled=torch.is_autocast_enabled(kind)
    )
