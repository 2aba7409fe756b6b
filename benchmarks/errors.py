"""What a user did wrong, said in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UsageError(ValueError):
    """Bad input. The message names what was wrong and what would be right."""


def unknown(kind: str, name: str, known: Iterable[str], advice: str = "") -> UsageError:
    """The error for a name that is not among the known ones, with the nearest of them."""
    names = sorted(known)
    nearest = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    said = f"Unknown {kind} {name!r}.{hint} Known: {', '.join(names)}. {advice}"
    return UsageError(said.strip())
