"""Everything that measures: training runs, evaluations, results, tables and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.api import evaluate, load, train

__all__ = ["evaluate", "load", "train"]


def __getattr__(name: str) -> Any:
    """Import the API when it is used: it needs torch, which the command lines load later."""
    if name in __all__:
        from benchmarks import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
