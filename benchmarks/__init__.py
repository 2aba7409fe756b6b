"""Everything that measures: training runs, evaluations, results, tables and figures."""

from benchmarks.api import evaluate, load, train

__all__ = ["evaluate", "load", "train"]
