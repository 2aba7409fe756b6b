"""Who reasons where: the skill of every method in every case."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from benchmarks.cases import in_method_order
from benchmarks.figures import look
from benchmarks.stats import performance_profile

LEAST = -9  # that is written out
THRESHOLDS = np.linspace(-1, 1, 201)
MANY = 15  # cases, between which there is little room


def skill_map(numbers: pd.DataFrame) -> Figure:
    """Methods by cases. Below -1 is the same colour; empty was not run or is not finite."""
    known = numbers[numbers["skill"].notna()]
    table = known.assign(column=known["comparison"] + "\n" + known["case"]).pivot_table(
        index="line", columns="column", values="skill", sort=False, observed=True
    )
    table = table.reindex(in_method_order(known)["line"].unique())
    size = (look.WIDTH, 1.2 + 0.22 * len(table))
    figure = Figure(figsize=size, layout="constrained")
    with mpl.rc_context({"text.parse_math": False}):  # names are drawn as they are
        panel = figure.subplots()
        sns.heatmap(
            table,
            ax=panel,
            vmin=-1,
            vmax=1,
            cmap="viridis",
            annot=table.map(_short),
            fmt="",
            annot_kws={"fontsize": 6 if table.shape[1] < MANY else 5},
            cbar_kws={"label": "skill", "extend": "min"},
            linewidths=0.5,
        )
    panel.set(xlabel="", ylabel="")
    panel.tick_params(axis="x", rotation=90 if table.shape[1] > 6 else 0, labelsize=6)
    panel.tick_params(axis="y", rotation=0, labelsize=7)
    empty = "; empty: no result" * bool(table.isna().any(axis=None))
    figure.suptitle("Skill: 1 the algorithm, 0 the best trivial predictor" + empty)
    return figure


def _short(skill: float) -> str:
    if np.isnan(skill):
        return ""
    return f"{round(skill, 2) + 0.0:.2g}" if skill > LEAST else f"< {LEAST}"


def skill_profile(numbers: pd.DataFrame) -> Figure | None:
    """The share of all cases in which a method's skill is above a threshold.

    Of methods that learned and were run in all cases; what did not finish, or is not finite, is
    above none. Nothing where there is one such method alone.
    """
    learned = numbers[numbers["learns"] & numbers["mse_best"].notna()]
    cases = learned.groupby(["comparison", "case"]).ngroups
    of_each = [rows for _, rows in learned.groupby("line", sort=False) if len(rows) == cases]
    if len(of_each) < 2:
        return None
    drawn = look.looks(learned["line"])
    figure = Figure(figsize=(look.WIDTH, 3.2), layout="constrained")
    panel = figure.subplots()
    for rows in of_each:
        name = str(rows["line"].iloc[0])
        shares = performance_profile(rows["skill"].fillna(-np.inf), THRESHOLDS)
        panel.plot(THRESHOLDS, shares, label=name, **drawn[name])
    share = f"share of all {cases} cases"
    panel.set(xlabel="skill above", ylabel=share, xlim=(-1, 1), ylim=(-0.02, 1.02))
    look.legend(figure, [panel])
    return figure
