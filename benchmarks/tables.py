"""Tables from results.csv: ``python -m benchmarks.tables DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer

from benchmarks.cases import Comparison, comparisons
from benchmarks.cli import Plugins, run_command
from benchmarks.registry import load_plugins
from benchmarks.store import read_results
from irem_core.checkpoint import write_whole

NAME = "table.md"
SHOWN = ("last", "halted_expected")  # what answers: where it ends, or where it wants to
LEGEND = """\
Mean squared error of the last answer at the largest step budget, and of a method that halts by
itself what is to be expected when it does; in brackets the 95 % interval over test problems
(several seeds: their range). Skill: 1 the algorithm, 0 no better than the best trivial predictor.
Steps, parameters (those that are trained), operations (floating-point, for one step of one problem)
and seconds of training: the most in the line.
"""


class Table(NamedTuple):
    """A table to be shown; cells are text, in which ``**bold**`` is bold."""

    title: str
    name: str  # of a file
    frame: pd.DataFrame  # of text, the method first
    note: str


def result_tables(folder: Path) -> list[Table]:
    """The tables of a folder's results."""
    results = read_results(folder)
    shown = results[results["selection"].isin(SHOWN)]
    return [Table(each.title, each.name, _by_method(each), LEGEND) for each in comparisons(shown)]


def write_table(folder: Path) -> str:
    """Write table.md from the results of a folder, and return it."""
    text = markdown(read_results(folder))
    write_whole(folder / NAME, text.encode())
    return text


def markdown(results: pd.DataFrame) -> str:
    """A table per task, and per size of matrices, with a row per method; then what is missing."""
    shown = results[results["selection"].isin(SHOWN)]
    sections = [f"## {each.title}\n\n{_markdown(each)}\n" for each in comparisons(shown)]
    return "\n".join([*sections, LEGEND, *_unfinished(results)])


def _markdown(comparison: Comparison) -> str:
    return _by_method(comparison).to_markdown(index=False, disable_numparse=True)


def _by_method(comparison: Comparison) -> pd.DataFrame:
    rows, cases = comparison.rows, comparison.cases
    lines = [_line(str(name), of_one, cases) for name, of_one in rows.groupby("line", sort=False)]
    lines += [_best_trivial(rows), _best_known(rows)]
    measured = [f"{case}: {what}" for case in cases for what in ("mse", "skill")]
    columns = ["method", *measured, "steps", "parameters", "operations", "training"]
    return pd.DataFrame(lines, columns=columns, dtype=object).fillna("")


def _line(name: str, rows: pd.DataFrame, cases: list[str]) -> dict[str, str]:
    """The table's line of one method: in each case at its largest step budget."""
    rows = rows[rows["steps"] == rows.groupby("case")["steps"].transform("max")]
    line = {"method": name}
    for case in cases:
        line |= _errors(rows[rows["case"] == case], case)
    done = rows[rows["status"] == "ok"]
    if done.empty:
        return line
    return line | {
        "steps": f"{done['steps_used'].max():.3g}",
        "parameters": _most(done["parameters"], "{:,.0f}"),
        "operations": _most(done["flops"] / done["steps_used"], "{:.2g}"),
        "training": _most(done["train_seconds"].replace(0, np.nan), "{:.3g} s"),
    }


def _most(values: pd.Series, text: str) -> str:
    return "" if values.isna().all() else text.format(values.max())


def _errors(rows: pd.DataFrame, case: str) -> dict[str, str]:
    done = rows[rows["status"] == "ok"]
    if done.empty:
        return {f"{case}: mse": _without_result(rows)}
    one_seed = len(done) == 1
    low = done["mse_ci_low"].iloc[0] if one_seed else done["mse"].min()
    high = done["mse_ci_high"].iloc[0] if one_seed else done["mse"].max()
    missing = f" ({len(done)} of {len(rows)} seeds)" if len(done) < len(rows) else ""
    return {
        f"{case}: mse": f"{done['mse'].mean():.3g} [{low:.3g}, {high:.3g}]{missing}",
        f"{case}: skill": _number(done["skill"].mean()),
    }


def _without_result(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    return "did not finish" if rows["steps_used"].isna().all() else "not finite"


def _best_trivial(rows: pd.DataFrame) -> dict[str, str]:
    errors = rows.groupby("case")["mse_trivial"].first()
    return {"method": "*best trivial*"} | {
        f"{case}: mse": _number(error) for case, error in errors.items()
    }


def _best_known(rows: pd.DataFrame) -> dict[str, str]:
    """With the uncertainty of the estimate, where it is one."""
    known = rows.groupby("case")[["mse_best", "mse_best_uncertainty"]].first()
    return {"method": "*best known*"} | {
        f"{best.Index}: mse": _number(best.mse_best)
        + (f" ± {best.mse_best_uncertainty:.1g}" if best.mse_best_uncertainty else "")
        for best in known.fillna({"mse_best_uncertainty": 0}).itertuples()
    }


def _number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{round(value, 6) + 0.0:.3g}"


def _unfinished(results: pd.DataFrame) -> list[str]:
    failed = results[results["status"] != "ok"]
    failed = failed.drop_duplicates(["run_key", "size", "difficulty"])
    if failed.empty:
        return []
    lines = [
        f"- {row.status}: {row.method} on {row.task}, n = {row.size}, {row.difficulty}, "
        f"seed {row.seed}: {row.error}"
        for row in failed.itertuples()
    ]
    return ["## Not finished, or not finite\n", *lines, ""]


def tables(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    plugins: Plugins = None,
) -> None:
    """Make the table of a folder's results again, and print it."""
    load_plugins(plugins)
    print(write_table(folder))


if __name__ == "__main__":
    run_command(tables)
