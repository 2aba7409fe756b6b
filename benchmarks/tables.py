"""Tables from results.csv: ``python -m benchmarks.tables DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks.cli import run_command
from benchmarks.registry import METHODS
from benchmarks.store import read_results
from irem_core.checkpoint import write_whole

NAME = "table.md"
LEGEND = """\
Mean squared error of the last answer at the largest step budget; in brackets the 95 % interval over
test problems (several seeds: their range). Skill: 1 the algorithm, 0 no better than the best
trivial predictor. Solved: the share of problems whose error is at most 1 % of the variance of the
answers. Operations: floating-point operations for one problem.
"""


def write_table(folder: Path) -> str:
    """Write table.md from the results of a folder, and return it."""
    text = markdown(read_results(folder))
    write_whole(folder / NAME, text.encode())
    return text


def markdown(results: pd.DataFrame) -> str:
    """A table per task and size with a row per method, then what did not finish."""
    last = results[results["selection"] == "last"]
    sections = [
        f"## {task}, n = {size}\n\n{_by_method(rows)}\n"
        for (task, size), rows in last.groupby(["task", "size"])
    ]
    return "\n".join([*sections, LEGEND, *_unfinished(results)])


def difficulty_order(difficulty: str) -> tuple[bool, bool, str]:
    """Sorts ``same`` first, then ``harder``, then numbers."""
    return difficulty != "same", difficulty != "harder", difficulty


def in_method_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order in which the methods are registered."""
    order = {name: place for place, name in enumerate(METHODS)}
    return rows.sort_values("method", key=lambda names: names.map(order), kind="stable")


def _by_method(rows: pd.DataFrame) -> str:
    difficulties = sorted(rows["difficulty"].unique(), key=difficulty_order)
    lines = [
        _line(of_one, difficulties)
        for _, of_one in in_method_order(rows).groupby(["method", "settings"], sort=False)
    ]
    lines += [_reference(rows, column, difficulties) for column in ("mse_trivial", "mse_best")]
    measured = [f"{d}: {what}" for d in difficulties for what in ("mse", "skill", "solved")]
    columns = ["method", *measured, "steps", "parameters", "operations"]
    frame = pd.DataFrame(lines, columns=columns).fillna("")
    return frame.to_markdown(index=False, disable_numparse=True)


def _line(rows: pd.DataFrame, difficulties: list[str]) -> dict[str, str]:
    """The table's line of one method."""
    rows = rows[rows["steps"] == rows["steps"].max()]
    line = {"method": str(rows["method"].iloc[0])}
    for difficulty in difficulties:
        line |= _errors(rows[rows["difficulty"] == difficulty], difficulty)
    if rows["mse"].isna().all():
        return line
    return line | {
        "steps": f"{rows['steps_used'].max():.0f}",
        "parameters": f"{rows['parameters'].max():,.0f}",
        "operations": f"{rows['flops'].max():.2g}",
    }


def _errors(rows: pd.DataFrame, difficulty: str) -> dict[str, str]:
    if rows["mse"].notna().sum() == 0:
        return {f"{difficulty}: mse": "did not finish"}
    one_seed = len(rows) == 1
    low = rows["mse_ci_low"].iloc[0] if one_seed else rows["mse"].min()
    high = rows["mse_ci_high"].iloc[0] if one_seed else rows["mse"].max()
    return {
        f"{difficulty}: mse": f"{rows['mse'].mean():.3g} [{low:.3g}, {high:.3g}]",
        f"{difficulty}: skill": _number(rows["skill"].mean()),
        f"{difficulty}: solved": f"{rows['solve_rate'].mean():.1%}",
    }


def _reference(rows: pd.DataFrame, column: str, difficulties: list[str]) -> dict[str, str]:
    name = {"mse_trivial": "best trivial", "mse_best": "best known"}[column]
    errors = rows.groupby("difficulty")[column].first()
    return {"method": f"*{name}*"} | {f"{d}: mse": _number(errors.get(d)) for d in difficulties}


def _number(value: float | None) -> str:
    return "" if value is None or pd.isna(value) else f"{round(value, 6) + 0.0:.3g}"


def _unfinished(results: pd.DataFrame) -> list[str]:
    failed = results[results["status"] != "ok"].drop_duplicates(["run_key", "difficulty"])
    if failed.empty:
        return []
    lines = [
        f"- {row.status}: {row.method} on {row.task}, n = {row.size}, {row.difficulty}, "
        f"seed {row.seed}: {row.error}"
        for row in failed.itertuples()
    ]
    return ["## Not finished\n", *lines, ""]


def tables(folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")]) -> None:
    """Make the table of a folder's results again, and print it."""
    print(write_table(folder))


if __name__ == "__main__":
    run_command(tables)
