"""Figures from results.csv and traces: ``python -m benchmarks.figures DIR``. Never trains."""

from __future__ import annotations

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

from benchmarks.cli import run_command
from benchmarks.store import read_results, read_traces
from benchmarks.tables import difficulty_order, in_method_order

STYLES = ["-", "--", "-.", ":"]


def write_figures(folder: Path) -> list[Path]:
    """Draw error against steps for every task and size, as PNG and PDF; the paths written."""
    results = read_results(folder)
    written = []
    (folder / "figures").mkdir(exist_ok=True)
    for (task, size), rows in results[results["status"] == "ok"].groupby(["task", "size"]):
        figure = error_against_steps(rows, folder)
        figure.suptitle(f"{task}, n = {size}", fontsize=9)
        for ending in ("png", "pdf"):
            path = folder / "figures" / f"error_against_steps_{task}_{size}.{ending}"
            # without the date a figure is the same file every time
            figure.savefig(
                path, dpi=200, metadata={"CreationDate": None} if ending == "pdf" else {}
            )
            written.append(path)
    return written


def error_against_steps(rows: pd.DataFrame, folder: Path) -> Figure:
    """One panel a difficulty: the error of the last answer after every step, a line a method.

    Drawn from the traces: mean over problems, and over seeds, with their range, where there are
    several. The best trivial predictor stands for all of them, beside the best known error.
    """
    difficulties = sorted(rows["difficulty"].unique(), key=difficulty_order)
    horizon = int(rows["steps"].max())
    curves = _curves(rows, folder, horizon)
    with mpl.rc_context({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(6.75, 2.8), layout="constrained")
        panels = figure.subplots(1, len(difficulties), squeeze=False, sharey=True)[0]
        for panel, difficulty in zip(panels, difficulties, strict=True):
            _draw_curves(panel, curves[curves["difficulty"] == difficulty])
            _draw_references(panel, rows[rows["difficulty"] == difficulty].iloc[0])
            _steps_axis(panel, horizon)
            panel.set_title(difficulty, fontsize=8)
        _error_axis(panels[0], pd.concat([curves["error"], rows["mse_trivial"]]))
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _draw_curves(panel: Axes, curves: pd.DataFrame) -> None:
    names = curves["method"].unique()
    for name, colour, style in zip(names, sns.color_palette("colorblind"), cycle(STYLES)):
        sns.lineplot(
            curves[curves["method"] == name],
            x="step",
            y="error",
            ax=panel,
            label=name,
            color=colour,
            linestyle=style,
            errorbar=("pi", 100),
            legend=False,
        )


def _draw_references(panel: Axes, row: pd.Series) -> None:
    grey: dict[str, Any] = {"color": "0.35", "linewidth": 1}
    panel.axhline(row["mse_trivial"], label="best trivial", linestyle=(0, (5, 1, 1, 1)), **grey)
    if not np.isnan(row["mse_best"]):
        panel.axhline(row["mse_best"], label="best known", linestyle=(0, (1, 1)), **grey)


def _steps_axis(panel: Axes, horizon: int) -> None:
    panel.set_xscale("symlog", linthresh=1, linscale=0.5)
    ticks = [0, *(2**k for k in range(horizon.bit_length()))]
    panel.set_xticks(ticks, [str(tick) for tick in ticks])
    panel.set_xticks([], minor=True)
    panel.set_xlim(0, horizon)
    panel.set_xlabel("steps")


def _error_axis(panel: Axes, errors: pd.Series) -> None:
    """Logarithmic, with a place for 0, which is the best known error of an exact algorithm."""
    least = 10 ** np.floor(np.log10(errors[errors > 0].min()))
    panel.set_yscale("symlog", linthresh=least, linscale=0.5)
    panel.set_ylim(-0.2 * least, 1.5 * errors.max())
    panel.set_ylabel("mean squared error")


def _curves(rows: pd.DataFrame, folder: Path, horizon: int) -> pd.DataFrame:
    """Mean error after each of 0..horizon steps, for every method that is not trivial and seed.

    A method that is done keeps its last answer.
    """
    runs = in_method_order(rows[~rows["method"].str.startswith("trivial")])
    frames = []
    for run in runs.drop_duplicates("run_key").itertuples():
        for difficulty, trace in read_traces(folder, run.run_key).items():
            error = trace.groupby("step")["error"].mean().reindex(range(horizon + 1)).ffill()
            frame = error.reset_index().assign(
                method=run.method, seed=run.seed, difficulty=difficulty
            )
            frames.append(frame)
    columns = ["step", "error", "method", "seed", "difficulty"]
    return pd.concat(frames) if frames else pd.DataFrame(columns=columns)


def figures(folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")]) -> None:
    """Draw the figures of a folder's results again."""
    for path in write_figures(folder):
        print(path)


if __name__ == "__main__":
    run_command(figures)
