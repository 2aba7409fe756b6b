"""Where every random number comes from: named streams that do not disturb one another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def seed_of(*names: object) -> int:
    """A 63-bit seed from what the stream is for, the same on every machine."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def stream(*names: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for ``names``: ``stream("train", task, seed)``."""
    return torch.Generator(device).manual_seed(seed_of(*names))


@contextmanager
def seeded_parameters(seed: int) -> Iterator[None]:
    """Modules made inside get parameters that depend on ``seed`` alone.

    The layers of torch draw from its global generator and take no other, so it is seeded here and
    put back as it was, and so is torch's default type, which decides what is drawn. Parameters are
    made on the CPU: every device starts from the same ones.
    """
    default = torch.get_default_dtype()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("parameters", seed))
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(default)
