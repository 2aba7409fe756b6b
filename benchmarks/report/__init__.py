"""A folder of results as one HTML page that needs nothing else: ``python -m benchmarks.report``."""

from benchmarks.report.page import write_report

__all__ = ["write_report"]
