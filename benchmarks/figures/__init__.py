"""Figures from results.csv and traces: ``python -m benchmarks.figures DIR``. Never trains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure

from benchmarks.cases import comparisons, is_aside
from benchmarks.figures.ablation import ablations
from benchmarks.figures.answers import animation, answers
from benchmarks.figures.effort import effort
from benchmarks.figures.landscape import energy_landscape
from benchmarks.figures.look import LOOK
from benchmarks.figures.matched import at_equal_operations
from benchmarks.figures.paths import shortest_paths
from benchmarks.figures.recursion import error_by_times
from benchmarks.figures.sizes import error_by_size, extrapolation
from benchmarks.figures.skill import skill_map, skill_profile
from benchmarks.figures.steps import error_against_cost, error_against_steps
from benchmarks.figures.stopping import when_to_stop
from benchmarks.figures.training import training_curves
from benchmarks.lines import lines
from benchmarks.measures import measures
from benchmarks.schema import read_results


def write_figures(folder: Path) -> list[Path]:
    """Draw every figure that the results give, as PNG and PDF or GIF; the paths written."""
    (folder / "figures").mkdir(exist_ok=True)
    written = []
    with mpl.rc_context(LOOK):
        for name, figure in _figures(folder):
            if isinstance(figure, FuncAnimation):
                written.append(folder / "figures" / f"{name}.gif")
                figure.save(written[-1], writer=PillowWriter(fps=4), dpi=100)
                continue
            for ending, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                path = folder / "figures" / f"{name}.{ending}"
                figure.savefig(path, dpi=200, metadata=metadata)  # no date: the same file each time
                figure.set_layout_engine("none")  # once is enough, and takes half of the time
                written.append(path)
    return written


def _figures(folder: Path) -> Iterator[tuple[str, Figure | FuncAnimation]]:
    results = read_results(folder, made=False)
    yield from _of_all(measures(folder, results))
    # of what diverges the budgets before that: a curve goes as far as it is finite
    results = results[(results["selection"] == "last") & (results["status"] == "ok")]
    for comparison in comparisons(results):
        name = comparison.name
        cases = {case: lines(comparison, folder, case) for case in comparison.cases}
        if comparison.nested:
            if figure := error_by_times(comparison.title, cases):
                yield f"recursion_{name}", figure
            continue
        drawn: dict[str, Figure | FuncAnimation | None] = {
            "error_against_steps": error_against_steps(comparison.title, cases),
            "error_against_cost": error_against_cost(comparison.title, cases),
            "at_equal_operations": at_equal_operations(comparison.title, cases),
            "error_by_size": error_by_size(comparison.title, cases),
            "extrapolation": extrapolation(comparison.title, cases),
            "when_to_stop": when_to_stop(comparison.title, cases),
            "training": training_curves(comparison.title, cases, folder),
            "answers": answers(comparison.title, cases, folder),
            "animation": animation(comparison.title, cases, folder),
            "landscape": energy_landscape(comparison.title, cases, folder),
            "paths": shortest_paths(comparison.title, cases, folder),
            "effort": effort(comparison.title, cases),
        }
        drawn |= {f"ablation_{method}": each for method, each in ablations(comparison.title, cases)}
        yield from ((f"{kind}_{name}", figure) for kind, figure in drawn.items() if figure)


def _of_all(numbers: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    numbers = numbers[~is_aside(numbers)]
    if numbers["skill"].notna().any():
        yield "skill", skill_map(numbers)
    if profile := skill_profile(numbers):
        yield "skill_profile", profile
