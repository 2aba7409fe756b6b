"""How results are laid out: what stands side by side in one table or figure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pandas as pd

from benchmarks.registry import METHODS, TASKS


class Comparison(NamedTuple):
    """Results that belong together. Their column ``case`` says what is side by side."""

    title: str
    name: str  # of a file
    cases: list[str]
    rows: pd.DataFrame


def comparisons(results: pd.DataFrame) -> Iterator[Comparison]:
    """A matrix task at a size, its difficulties side by side; a graph task, its sizes."""
    graph = results["task"].map(lambda task: TASKS[task].domain == "graph")
    for task, rows in results[graph].groupby("task"):
        yield _comparison(f"{task}", f"{task}", rows.assign(case=_graph_case(rows)), "size")
    for (task, size), rows in results[~graph].groupby(["task", "size"]):
        rows = rows.assign(case=rows["difficulty"])
        yield _comparison(f"{task}, n = {size}", f"{task}_{size}", rows, "difficulty")


def in_method_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order in which the methods are registered."""
    order = {name: place for place, name in enumerate(METHODS)}
    return rows.sort_values("method", key=lambda names: names.map(order), kind="stable")


def _comparison(title: str, name: str, rows: pd.DataFrame, by: str) -> Comparison:
    key = _difficulty_order if by == "difficulty" else None
    cases = rows.drop_duplicates("case").sort_values(by, key=key)["case"]
    return Comparison(title, name, list(cases), rows)


def _graph_case(rows: pd.DataFrame) -> pd.Series:
    return rows["size"].astype(str) + " nodes (" + rows["difficulty"] + ")"


def _difficulty_order(difficulties: pd.Series) -> pd.Series:
    """``same``, then ``harder``, then numbers as they grow."""
    return difficulties.map({"same": -2.0, "harder": -1.0}).fillna(
        pd.to_numeric(difficulties, errors="coerce")
    )
