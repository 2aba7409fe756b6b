"""The problems that a solver is asked."""

from irem_core.tasks.graph import ConnectedComponents, EdgeCopy, GraphTask, ShortestPath
from irem_core.tasks.matrix import Addition, Completion, Inverse, MatrixTask

__all__ = [
    "Addition",
    "Completion",
    "ConnectedComponents",
    "EdgeCopy",
    "GraphTask",
    "Inverse",
    "MatrixTask",
    "ShortestPath",
]
