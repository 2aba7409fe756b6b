"""Figures from results.csv and traces: ``python -m benchmarks.figures DIR``. Never trains."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.cases import Comparison, comparisons
from benchmarks.cli import Plugins, run_command
from benchmarks.registry import METHODS, load_plugins, task_named
from benchmarks.store import read_results, read_trace
from irem_core.method import Method

STYLES: list[Any] = ["-", "--", "-.", (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2))]
COLUMNS = 3  # of panels
LOOK: Any = {"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
WIDTH = 6.75  # inches: two columns of a page
ABOUT = ("line", "seed", "size", "case")  # a curve
PUBLISHED = Path(__file__).parent / "published" / "shortest_path_error_by_step.csv"


def write_figures(folder: Path) -> list[Path]:
    """Draw every figure that the results give, as PNG and PDF; the paths written."""
    written = []
    (folder / "figures").mkdir(exist_ok=True)
    with mpl.rc_context(LOOK):
        for name, figure in _figures(folder):
            for ending, metadata in (("png", {}), ("pdf", {"CreationDate": None})):
                path = folder / "figures" / f"{name}.{ending}"
                figure.savefig(path, dpi=200, metadata=metadata)  # no date: the same file each time
                written.append(path)
    return written


def _figures(folder: Path) -> Iterator[tuple[str, Figure]]:
    results = read_results(folder)
    last = results[(results["status"] == "ok") & (results["selection"] == "last")]
    for comparison in comparisons(last):
        curves = _curves(comparison, folder)
        name = comparison.name
        yield f"error_against_steps_{name}", error_against_steps(comparison, curves)
        by_size = task_named(comparison.rows["task"].iloc[0]).domain == "graph"
        if by_size and len(comparison.cases) > 1 and not curves.empty:
            yield f"error_by_size_{name}", error_by_size(comparison, curves)


def error_against_steps(comparison: Comparison, curves: pd.DataFrame) -> Figure:
    """One panel a case: the error of the last answer after every step, a line a method.

    Mean over problems, and over seeds, with their range, where there are several. The best trivial
    predictor stands for all of them, beside the best known error.
    """
    rows = comparison.rows
    figure, panels = _panels(comparison.title, len(comparison.cases))
    for panel, case in zip(panels, comparison.cases, strict=True):
        here = curves[curves["case"] == case]
        names = curves["line"].unique()
        colours = cycle(sns.color_palette("colorblind"))
        for name, colour, style in zip(names, colours, cycle(STYLES), strict=False):
            _line(panel, here[here["line"] == name], label=name, color=colour, linestyle=style)
        _references(panel, rows[rows["case"] == case].iloc[0])
        panel.set_title(case, fontsize=8)
    _axes(panels, curves, rows["mse_trivial"])
    _legend(figure, panels[0])
    return figure


def error_by_size(comparison: Comparison, curves: pd.DataFrame) -> Figure:
    """One panel a learned method, a line a size; and one for the published curve, if there is one.

    The dotted line of a colour is the best trivial predictor at that size.
    """
    trivial = comparison.rows.groupby("size")["mse_trivial"].first()
    shown = {str(name): curve for name, curve in curves.groupby("line", sort=False)}
    if comparison.rows["task"].iloc[0] == "shortest_path":
        shown["IREM as published"] = _published(trivial.index, int(curves["step"].max()))
    figure, panels = _panels(comparison.title, len(shown))
    colours = dict(zip(trivial.index, sns.color_palette("viridis", len(trivial)), strict=True))
    for panel, (name, curve) in zip(panels, shown.items(), strict=True):
        for (size, colour), style in zip(colours.items(), cycle(STYLES)):
            here = curve[curve["size"] == size]
            _line(panel, here, label=f"{size} nodes", color=colour, linestyle=style)
            panel.axhline(trivial[size], color=colour, linewidth=0.8, linestyle=(0, (1, 2)))
        panel.set_title(name, fontsize=8)
    _axes(panels, curves, trivial)
    _legend(figure, panels[0], note="dotted: best trivial predictor of the size")
    return figure


def _panels(title: str, count: int) -> tuple[Figure, list[Axes]]:
    columns = min(count, COLUMNS)
    rows = -(-count // columns)
    figure = Figure(figsize=(WIDTH, 0.7 + 2.1 * rows), layout="constrained")
    figure.suptitle(title, fontsize=9)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for unused in panels[count:]:
        unused.set_axis_off()
    return figure, list(panels[:count])


def _line(panel: Axes, curve: pd.DataFrame, **look: Any) -> None:
    sns.lineplot(curve, x="step", y="error", ax=panel, errorbar=("pi", 100), legend=False, **look)


def _references(panel: Axes, row: pd.Series) -> None:
    grey: dict[str, Any] = {"color": "0.35", "linewidth": 1}
    panel.axhline(row["mse_trivial"], label="best trivial", linestyle=(0, (5, 1, 1, 1)), **grey)
    if not np.isnan(row["mse_best"]):
        panel.axhline(row["mse_best"], label="best known", linestyle=(0, (1, 1)), **grey)


def _axes(panels: list[Axes], curves: pd.DataFrame, trivial: pd.Series) -> None:
    """Steps and errors on logarithmic axes with a place for 0: the start, an exact algorithm.

    What is a million times less than the rest is as good as 0, and a line that grows to ten times
    of where it all begins leaves the picture.
    """
    horizon = int(curves["step"].max()) if len(curves) else 1
    ticks = [0, *(2**k for k in range(horizon.bit_length()))]
    errors = pd.concat([curves["error"], trivial])
    begin = pd.concat([curves.loc[curves["step"] == 0, "error"], trivial]).max()
    least = 10 ** np.floor(np.log10(errors[errors > 1e-6 * begin].min()))
    most = min(errors.max(), 10 * begin)
    for place, panel in enumerate(panels):
        panel.set_xscale("symlog", linthresh=1, linscale=0.5)
        panel.set_xticks(ticks, [str(tick) for tick in ticks])
        panel.set_xticks([], minor=True)
        panel.set_xlim(0, horizon)
        panel.set_yscale("symlog", linthresh=least, linscale=0.5)
        panel.set_ylim(-0.2 * least, 1.5 * most)
        lowest, leftmost = place + COLUMNS >= len(panels), place % COLUMNS == 0
        panel.tick_params(labelbottom=lowest)
        panel.set_xlabel("steps", visible=lowest)
        panel.set_ylabel("mean squared error", visible=leftmost)


def _legend(figure: Figure, panel: Axes, note: str = "") -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=5, frameon=False, title=note or None
    )


def _curves(comparison: Comparison, folder: Path) -> pd.DataFrame:
    """Mean error after each step up to the largest budget, of every run that is not trivial.

    A method that is done by itself keeps its last answer, however many steps the others go on; an
    error that is not finite is not drawn.
    """
    rows = comparison.rows[~comparison.rows["method"].str.startswith("trivial")]
    ends = comparison.rows["method"].map(lambda name: METHODS.get(name, Method).ends)
    budgets = comparison.rows["steps"]
    horizon = range(int(budgets[~ends].max() if not ends.all() else budgets.max()) + 1)
    curves: dict[str, list[Any]] = {name: [] for name in ("step", "error", *ABOUT)}
    for run in rows.drop_duplicates(["run_key", "case"]).itertuples():
        trace = read_trace(folder, run, ["step", "error"])
        error = trace.groupby("step")["error"].mean().reindex(horizon)
        error = error.ffill() if METHODS.get(run.method, Method).ends else error
        curves["step"] += horizon
        curves["error"] += error.replace([np.inf], np.nan).tolist()
        for name in ABOUT:
            curves[name] += [getattr(run, name)] * len(horizon)
    return pd.DataFrame(curves)


def _published(sizes: pd.Index, horizon: int) -> pd.DataFrame:
    """The paper's own curve of IREM on shortest path: point k is the error after k + 1 steps."""
    curve = pd.read_csv(PUBLISHED).query("method == 'IREM' and nodes in @sizes")
    curve = curve.assign(step=curve["step"] + 1, size=curve["nodes"], error=curve["mse"])
    return curve[curve["step"] <= horizon]


def figures(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    plugins: Plugins = None,
) -> None:
    """Draw the figures of a folder's results again."""
    load_plugins(plugins)
    for path in write_figures(folder):
        print(path)


if __name__ == "__main__":
    run_command(figures)
