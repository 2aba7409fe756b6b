"""Figures from results.csv and traces: ``python -m benchmarks.figures DIR``. Never trains."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from joblib import Parallel, delayed
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.cases import Comparison, comparisons, is_aside
from benchmarks.errors import UsageError, unknown
from benchmarks.figures.ablation import ablations
from benchmarks.figures.answers import animation, answers
from benchmarks.figures.effort import effort
from benchmarks.figures.landscape import energy_landscape
from benchmarks.figures.look import suite_style, without_glyphs
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
from benchmarks.registry import ADDED, load_plugins
from benchmarks.schema import read_results
from benchmarks.shown import drawn
from benchmarks.supervise import supervised

log = logging.getLogger(__name__)

FORMATS = ("png", "pdf", "gif")
COLOURS = 256  # of a PNG, which makes it a third as large
MOVED = 1000  # pixels: k-means stops when no more of them change their colour
DPI = 200


class Drawing(NamedTuple):
    """An independent part of the figures of a folder, which any process can draw.

    comparison: what the figures are about; None for those about all results.
    plugins: the modules that the process needs to know the methods and tasks.
    """

    folder: Path
    formats: tuple[str, ...]
    comparison: Comparison | None
    plugins: tuple[str, ...]


def write_figures(folder: Path, formats: Iterable[str] = ("png",), jobs: int = 1) -> list[Path]:
    """Draw the figures that the results of a folder give, and return the paths written.

    ``png`` and ``pdf`` are the formats of figures, ``gif`` is that of animations, which are drawn
    in this format alone. With several ``jobs`` as many processes draw; the files are the same.

    Raises UsageError for an unknown format, for fewer than one job, and if there are no results.
    """
    if jobs < 1:
        raise UsageError(f"Figures are drawn by at least 1 job, not by {jobs}.")
    tasks = drawings(folder.resolve(), checked_formats(formats))  # processes may be elsewhere
    (folder / "figures").mkdir(exist_ok=True)
    written = map(draw, tasks) if jobs == 1 else _in_processes(tasks, jobs)
    return [folder / "figures" / path.name for paths in written for path in paths]


def _in_processes(tasks: list[Drawing], jobs: int) -> list[list[Path]]:
    """Draw in as many processes as jobs, those of a sweep before if there are any."""

    def draw_there(task: Drawing) -> list[Path]:
        with supervised() as process:
            return process.call(draw, task)

    return list(Parallel(jobs, backend="threading")(delayed(draw_there)(task) for task in tasks))


def checked_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """The formats in the order of ``FORMATS``. Raises UsageError for an unknown one, or none."""
    names = [*formats]
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not names:
        raise UsageError(f"Figures need at least one format of {', '.join(FORMATS)}.")
    return tuple(name for name in FORMATS if name in names)


def drawings(folder: Path, formats: tuple[str, ...]) -> list[Drawing]:
    """The parts of a folder's figures, in the order of the files.

    Raises UsageError if there are no results.
    """
    results = read_results(folder, made=False)
    if missing := without_glyphs(results["method"].unique()):
        log.warning("The font of the figures has no %s, and draws boxes instead.", missing)
    parts = [None, *comparisons(drawn(results))]
    plugins = tuple(dict.fromkeys(ADDED.values()))
    return [Drawing(folder, formats, part, plugins) for part in parts]


def draw(drawing: Drawing) -> list[Path]:
    """Draw one part of the figures of a folder, and return the paths written.

    Raises UsageError if there are no results, or a plugin cannot be imported.
    """
    load_plugins(drawing.plugins)
    with suite_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # ``without_glyphs`` says it, once
        return [
            path for name, figure in _figures(drawing) for path in _write(drawing, name, figure)
        ]


def _write(drawing: Drawing, name: str, figure: Figure | FuncAnimation) -> Iterator[Path]:
    """Write a figure in the formats that it can have, with the same bytes each time."""
    animated = isinstance(figure, FuncAnimation)
    for ending in drawing.formats:
        if animated != (ending == "gif"):
            continue
        path = drawing.folder / "figures" / f"{name}.{ending}"
        if isinstance(figure, FuncAnimation):
            figure.save(path, writer=PillowWriter(fps=4), dpi=100)
        elif ending == "pdf":
            figure.savefig(path, metadata={"CreationDate": None})
        else:
            _write_png(path, figure)
        yield path


def _write_png(path: Path, figure: Figure) -> None:
    """Write a PNG with a palette, without dithering.

    The palette is that of a median cut, refined by k-means: frequent colours stay as they are, and
    gradients stay smooth.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"compress_level": 0})
    with Image.open(buffer) as image:
        picture = image.convert("RGB")
    picture.quantize(COLOURS, kmeans=MOVED).save(path, "PNG", optimize=True)


def _figures(drawing: Drawing) -> Iterator[tuple[str, Figure | FuncAnimation]]:
    folder, comparison = drawing.folder, drawing.comparison
    if comparison is None:
        yield from _of_all(measures(folder, read_results(folder, made=False)))
        return
    name, title = comparison.name, comparison.title
    cases = {case: lines(comparison, folder, case) for case in comparison.cases}
    if comparison.nested:
        if figure := error_by_times(title, cases):
            yield f"recursion_{name}", figure
        return
    if drawing.formats == ("gif",):
        if animated := animation(title, cases, folder):
            yield f"animation_{name}", animated
        return
    figures: dict[str, Figure | FuncAnimation | None] = {
        "error_against_steps": error_against_steps(title, cases),
        "error_against_cost": error_against_cost(title, cases),
        "at_equal_operations": at_equal_operations(title, cases),
        "error_by_size": error_by_size(title, cases),
        "extrapolation": extrapolation(title, cases),
        "when_to_stop": when_to_stop(title, cases),
        "training": training_curves(title, cases, folder),
        "answers": answers(title, cases, folder),
        "animation": animation(title, cases, folder) if "gif" in drawing.formats else None,
        "landscape": energy_landscape(title, cases, folder),
        "paths": shortest_paths(title, cases, folder),
        "effort": effort(title, cases),
    }
    figures |= {f"ablation_{method}": figure for method, figure in ablations(title, cases)}
    yield from ((f"{kind}_{name}", figure) for kind, figure in figures.items() if figure)


def _of_all(numbers: pd.DataFrame) -> Iterator[tuple[str, Figure]]:
    numbers = numbers[~is_aside(numbers)]
    if numbers["skill"].notna().any():
        yield "skill", skill_map(numbers)
    if profile := skill_profile(numbers):
        yield "skill_profile", profile
