"""Clear sentences for values that cannot be."""

from __future__ import annotations

import math


def at_least(least: int, **values: int) -> None:
    """Raise ValueError for the first of the named values that is not a whole number >= least."""
    for name, value in values.items():
        if type(value) is not int or value < least:
            raise ValueError(f"{name} must be a whole number from {least} on, not {value!r}")


def positive(**values: float) -> None:
    """Raise ValueError for the first of the named values that is not a positive finite number."""
    for name, value in values.items():
        if isinstance(value, bool) or not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, not {value!r}")


def not_negative(**values: float) -> None:
    """Raise ValueError for the first of the named values that is not a finite number from 0 on."""
    for name, value in values.items():
        if isinstance(value, bool) or not (math.isfinite(value) and value >= 0):
            raise ValueError(f"{name} must be a number from 0 on, not {value!r}")


def share(**values: float) -> None:
    """Raise ValueError for the first of the named values that is not from 0 to less than 1."""
    not_negative(**values)
    for name, value in values.items():
        if value >= 1:
            raise ValueError(f"{name} must be less than 1, not {value!r}")
