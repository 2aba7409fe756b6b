"""What the paper claims, and whether a folder of results says the same."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Claim(NamedTuple):
    """A claim, what the results say of it, and that in a sentence."""

    claim: str
    verdict: str  # reproduced, not reproduced, not clear, not tested
    sentence: str


def claims(folder: Path) -> list[Claim]:
    """The claims and their verdicts."""
    return []
