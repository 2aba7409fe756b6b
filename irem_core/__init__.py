"""The energy-minimisation solver, the problems it is asked, and how it is trained."""

from irem_core.irem import IREM
from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.types import Batch, Problem, Trajectory

__all__ = [
    "IREM",
    "Addition",
    "Batch",
    "Completion",
    "ConnectedComponents",
    "EdgeCopy",
    "Inverse",
    "Problem",
    "ShortestPath",
    "Trajectory",
]
