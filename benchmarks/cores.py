"""How many cores and threads a sweep uses unless its options say otherwise."""

from __future__ import annotations

import os

from benchmarks.errors import UsageError


def cores() -> int:
    """The cores that this process may use, by its affinity and its cgroup's CPU quota."""
    from loky import cpu_count  # imported here, so that --help stays quick

    return int(cpu_count())


def default_threads() -> int:
    """Threads of a run: OMP_NUM_THREADS where it is set, else 1.

    One on every machine, because rounding depends on it. Raises UsageError if OMP_NUM_THREADS is
    not a number from 1 on.
    """
    text = os.environ.get("OMP_NUM_THREADS", "1")
    first = text.split(",")[0].strip()  # OpenMP allows a list, one number per level of nesting
    if not first.isdigit() or int(first) < 1:
        raise UsageError(f"OMP_NUM_THREADS must be a whole number from 1 on, not {text!r}.")
    return int(first)
