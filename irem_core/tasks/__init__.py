"""The problems that a solver is asked."""

from irem_core.tasks.matrix import Addition, Completion, Inverse, MatrixTask

__all__ = ["Addition", "Completion", "Inverse", "MatrixTask"]
