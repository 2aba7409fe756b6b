"""Figures from results.csv and traces: ``python -m benchmarks.figures DIR``. Never trains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from benchmarks.cases import comparisons
from benchmarks.figures.answers import answers
from benchmarks.figures.look import LOOK
from benchmarks.figures.matched import at_equal_operations
from benchmarks.figures.sizes import error_by_size, extrapolation
from benchmarks.figures.skill import skill_map, skill_profile
from benchmarks.figures.steps import error_against_cost, error_against_steps
from benchmarks.figures.stopping import when_to_stop
from benchmarks.figures.training import training_curves
from benchmarks.lines import lines
from benchmarks.measures import measures
from benchmarks.schema import read_results


def write_figures(folder: Path) -> list[Path]:
    """Draw every figure that the results give, as PNG and PDF; the paths written."""
    (folder / "figures").mkdir(exist_ok=True)
    written = []
    with mpl.rc_context(LOOK):
        for name, figure in _figures(folder):
            for ending, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                path = folder / "figures" / f"{name}.{ending}"
                figure.savefig(path, dpi=200, metadata=metadata)  # no date: the same file each time
                figure.set_layout_engine("none")  # once is enough, and takes half of the time
                written.append(path)
    return written


def _figures(folder: Path) -> Iterator[tuple[str, Figure]]:
    results = read_results(folder, made=False)
    yield from _of_all(measures(folder, results))
    # of what diverges the budgets before that: a curve goes as far as it is finite
    results = results[(results["selection"] == "last") & (results["status"] == "ok")]
    for comparison in comparisons(results):
        name = comparison.name
        cases = {case: lines(comparison, folder, case) for case in comparison.cases}
        drawn = {
            "error_against_steps": error_against_steps(comparison.title, cases),
            "error_against_cost": error_against_cost(comparison.title, cases),
            "at_equal_operations": at_equal_operations(comparison.title, cases),
            "error_by_size": error_by_size(comparison.title, cases),
            "extrapolation": extrapolation(comparison.title, cases),
            "when_to_stop": when_to_stop(comparison.title, cases),
            "training": training_curves(comparison.title, cases, folder),
            "answers": answers(comparison.title, cases, folder),
        }
        yield from ((f"{kind}_{name}", figure) for kind, figure in drawn.items() if figure)


def _of_all(numbers: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    if numbers["skill"].notna().any():
        yield "skill", skill_map(numbers)
        yield "skill_profile", skill_profile(numbers)
