"""Rates at which a machine multiplies matrices: the yardstick of the speed suite."""

from __future__ import annotations

import time

import torch

PRODUCTS = {"float32": torch.float32, "mixed": torch.bfloat16}
"""Type of the matrices that a run multiplies, by its ``dtype``."""

ROWS, WIDTH = 1024, 512  # of the products in the networks for matrix tasks
MIN_PRODUCTS, MIN_SECONDS = 3, 0.2  # that are timed


def product_rate(dtype: str, device: torch.device) -> float:
    """Measure the highest rate of matrix products on a device, in FLOPs per second.

    The matrices are 1024 x 512 and 512 x 512. Without instructions for a type a processor takes
    hundreds of times as long, so the number of products depends on the time they take.

    dtype: ``"float32"``, or ``"mixed"`` for bfloat16.
    """
    left = torch.rand(ROWS, WIDTH, device=device).to(PRODUCTS[dtype])
    right = torch.rand(WIDTH, WIDTH, device=device).to(PRODUCTS[dtype])
    seconds: list[float] = []
    while len(seconds) < MIN_PRODUCTS or sum(seconds) < MIN_SECONDS:
        began = time.perf_counter()
        left @ right
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return 2 * ROWS * WIDTH**2 / min(seconds)  # the first ones warm up


def product_rates(device: torch.device) -> dict[str, float]:
    """Measure ``product_rate`` for both types."""
    return {dtype: product_rate(dtype, device) for dtype in PRODUCTS}


def why_mixed_is_slow(rates: dict[str, float]) -> str | None:
    """A sentence with both rates where bfloat16 products are slower than float32 ones, or None."""
    if rates["mixed"] >= rates["float32"]:
        return None
    return (
        "Mixed precision is slower than float32 on this device: it multiplies matrices at "
        f"{rates['mixed'] / 1e9:.3g} GFLOP/s in bfloat16 and at {rates['float32'] / 1e9:.3g} "
        "GFLOP/s in float32."
    )
