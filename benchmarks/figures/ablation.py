"""What a setting is worth: lines that differ in their settings alone, beside each other."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from benchmarks.figures import look
from benchmarks.lines import Cases, Line, answering
from irem_core.checkpoint import CONFIG

OF_TRAINING = {
    "train_seconds": ("seconds of training", 1.0),
    "peak_bytes": ("peak memory of training, MB", 1e-6),
}
OF_ANSWERS = {"flops": ("10⁶ operations a problem", 1e-6)}
DECADE = 10.0
WIDTH = 13  # letters of a label, where long names of settings leave little room


def ablations(title: str, cases: Cases) -> Iterator[tuple[str, Figure]]:
    """A figure for every method that learned and whose lines differ in their settings."""
    shown = answering(cases)
    methods = dict.fromkeys(line.method for lines in shown.values() for line in lines)
    for method in methods:
        every = [line for lines in shown.values() for line in lines if line.method == method]
        if every[0].learns and len({line.name for line in every}) > 1:
            yield method, _draw(f"{title}: {method}", method, every)


def _draw(title: str, method: str, every: list[Line]) -> Figure:
    """The mean error of every case, and what it cost; a point a setting, its seeds around it."""
    rows = pd.concat([line.done.assign(setting=_setting(line.name, method)) for line in every])
    rows["peak_bytes"] = rows["run_key"].map(lambda key: _peak_of_training(every[0].folder, key))
    settings = rows["setting"].unique()
    trained_apart = rows.groupby("setting")["run_key"].first().nunique() > 1
    costs = (OF_TRAINING if trained_apart else {}) | OF_ANSWERS
    costs = {name: said for name, said in costs.items() if rows[name].notna().all()}
    cases = rows["case"].nunique()
    height = 0.7 + 0.22 * len(settings) * max(1.0, cases / 3)
    figure, ((first, *others),) = look.grid(
        title, 1, 1 + len(costs), height=max(height, 1.6), sharey=True
    )
    look_of = {"linestyle": "none", "errorbar": ("pi", 100), "markersize": 3.5, "linewidth": 1}
    sns.pointplot(
        rows,
        x="mse",
        y="setting",
        hue="case",
        ax=first,
        dodge=0.5 * (cases > 1),
        palette="colorblind",
        markers=[look.marker(case) for case in range(cases)],
        **look_of,
    )
    first.set(xlabel=fill("mean squared error", WIDTH), ylabel="")
    first.get_legend().remove()
    if rows["mse"].max() > DECADE * rows["mse"].min() > 0:
        first.set_xscale("log")
        first.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0), numticks=4))
        first.xaxis.set_major_formatter(ScalarFormatter())
        first.xaxis.set_minor_formatter(NullFormatter())
    else:
        first.xaxis.set_major_locator(MaxNLocator(3))
    for panel, (name, (said, scale)) in zip(others, costs.items(), strict=True):
        cost = rows.assign(cost=rows[name] * scale)
        sns.pointplot(cost, x="cost", y="setting", ax=panel, color="0.35", **look_of)
        panel.set(xlabel=fill(said, WIDTH), ylabel="")
        panel.set_xlim(0, 1.1 * cost["cost"].max())
    look.legend(figure, [first])
    return figure


def _peak_of_training(folder: Path, run_key: str) -> float:
    """The row's own is that of testing too."""
    try:
        config = json.loads((folder / "runs" / run_key / CONFIG).read_text(encoding="utf-8"))
        return float(config["training"]["peak_bytes"])
    except (OSError, ValueError, KeyError):
        return math.nan


def _setting(name: str, method: str) -> str:
    """What is special about a line."""
    return name.removeprefix(method).strip(" ()") or "usual"
