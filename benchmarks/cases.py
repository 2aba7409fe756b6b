"""How results are laid out: what stands side by side in one table or figure."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from itertools import chain
from typing import Any, NamedTuple

import pandas as pd

from benchmarks.inference import Inference
from benchmarks.registry import METHODS, task_named

log = logging.getLogger(__name__)

ASKED = {field.name for field in fields(Inference)}
ASIDE = ("shortcut", "trained_size")
"""Settings of results that stand apart: of other answers, or of sizes that few can be asked."""
OF_CASES = ("expression", "times", *ASIDE)
"""Settings that say which case a row is of."""


class Comparison(NamedTuple):
    """Results that belong together.

    Their column ``case`` says what is side by side, ``line`` what is one line: a method, with those
    settings in which its runs differ, and the rule that picked the answer if it is not the last.
    """

    title: str
    name: str  # of a file
    cases: list[str]
    rows: pd.DataFrame

    @property
    def nested(self) -> bool:
        """Whether it is about an expression."""
        return bool(is_nested(self.rows).any())

    @property
    def aside(self) -> bool:
        """Whether it is about what few methods are asked, and counts for none as a case."""
        return bool(is_aside(self.rows).any())


def comparisons(results: pd.DataFrame) -> Iterator[Comparison]:
    """A matrix task at a size, its difficulties side by side; a graph task, its sizes.

    A variant of a task, with other values, stands apart. Then every expression, side by side how
    often it was applied.
    """
    nested = is_nested(results)
    yield from _of_tasks(results[~nested])
    yield from _of_expressions(results[nested])


def is_nested(rows: pd.DataFrame) -> pd.Series:
    """Which rows are about an expression."""
    return rows["settings"].str.contains('"expression":', regex=False)


def is_aside(rows: pd.DataFrame) -> pd.Series:
    """Which rows are about an expression, or stand apart for another reason."""
    return rows["settings"].str.contains("|".join(f'"{name}":' for name in ("expression", *ASIDE)))


def _of_tasks(results: pd.DataFrame) -> Iterator[Comparison]:
    results = results.assign(variant=_variants(results))
    domains = {task: task_named(task).domain for task in results["task"].unique()}
    graph = results["task"].map(domains) == "graph"
    for (task, variant), rows in results[graph].groupby(["task", "variant"]):
        rows = rows.assign(case=_graph_case(rows))
        yield _comparison([task, variant], rows, "size")
    for (task, size, variant), rows in results[~graph].groupby(["task", "size", "variant"]):
        rows = rows.assign(case=rows["difficulty"])
        yield _comparison([task, f"n={size}", variant], rows, "difficulty")


def _of_expressions(results: pd.DataFrame) -> Iterator[Comparison]:
    asked = pd.DataFrame(results["settings"].map(json.loads).tolist(), index=results.index)
    asked = asked.reindex(columns=["expression", "times"])
    results = results.assign(expression=asked["expression"], times=asked["times"].fillna(1))
    groups = results.groupby(["expression", "size", "difficulty"])
    for (expression, size, difficulty), rows in groups:
        rows = rows.assign(case=rows["times"].map(_times))
        harder = "" if difficulty == "same" else difficulty
        yield _comparison([expression, f"n={size}", harder], rows, "times")


def _times(times: float) -> str:
    return "once" if times == 1 else f"{times:.0f} times"


def file_name(title: str) -> str:
    """Of what is written about a comparison."""
    return re.sub(r"[\W_]+", "_", title.replace("n=", "")).strip("_")


def in_method_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order in which the methods are registered.

    Of each first what differs least from the protocol, then as the numbers of its settings grow,
    then other ways to ask it; the last answers first.
    """
    order = {name: place for place, name in enumerate(METHODS)}
    rows = rows.sort_values("selection", key=lambda rules: rules != "last", kind="stable")
    settings = sorted(rows["settings"].unique(), key=settings_order)
    places = {text: place for place, text in enumerate(settings)}
    rows = rows.sort_values("settings", key=lambda texts: texts.map(places), kind="stable")
    return rows.sort_values("method", key=lambda names: names.map(order), kind="stable")


def settings_order(settings: str) -> tuple[bool, int, list[tuple[float, str]]]:
    """A key to sort by: other ways to ask what is trained last, and 30 before 100."""
    names = {*json.loads(settings)}
    parts = re.split(r"(\d+\.?\d*)", settings)
    numbers = [(float(part), "") if i % 2 else (-1.0, part) for i, part in enumerate(parts)]
    return not ASKED.isdisjoint(names), len(names), numbers


def at_largest_budget(rows: pd.DataFrame, by: Sequence[str] = ("line", "case")) -> pd.DataFrame:
    """The rows with the most steps: of every line in every case, one a seed."""
    return rows[rows["steps"] == rows.groupby([*by])["steps"].transform("max")]


def _variants(results: pd.DataFrame) -> pd.Series:
    """The values of each row's task that are not the default, and why it stands aside, as text."""

    def variant(task: str, settings: str) -> str:
        own = {field.name for field in fields(task_named(task))} | {*ASIDE}
        values = json.loads(settings).items()
        return ", ".join(f"{name}={value}" for name, value in values if name in own)

    return _of_each(variant, results["task"], results["settings"])


def _of_each(function: Callable[..., str], first: pd.Series, second: pd.Series) -> pd.Series:
    """A text that two columns decide; rows are many, different ones are few."""
    said = pd.DataFrame({"first": first, "second": second})
    number = said.groupby(["first", "second"]).ngroup()
    texts = {number[i]: function(*said.loc[i]) for i in number.drop_duplicates().index}
    return number.map(texts).astype(str)


def _comparison(said: list[str], rows: pd.DataFrame, by: str) -> Comparison:
    title = ", ".join(part for part in said if part)
    key = _difficulty_order if by == "difficulty" else None
    cases = rows.drop_duplicates("case").sort_values(by, key=key)["case"]
    rows = rows.assign(line=_lines(rows))
    # the same tested on fewer problems says the same with less certainty
    most = rows.groupby(["line", "case"])["problems"].transform("max")
    fewer = rows["problems"] < most
    if not {*rows.loc[fewer, "run_key"]} <= {*rows.loc[~fewer, "run_key"]}:
        log.warning("%s: seeds that were tested on fewer problems are left out", title)
    return Comparison(title, file_name(title), list(cases), in_method_order(rows[~fewer]))


def _lines(rows: pd.DataFrame) -> pd.Series:
    different = rows[["method", "settings"]].drop_duplicates()
    every = different["settings"].map(json.loads).groupby(different["method"]).agg(list)
    differing = {
        method: [
            name
            for name in dict.fromkeys(chain(*each))
            if name not in OF_CASES and _differs(name, each)
        ]
        for method, each in every.items()
    }

    def line(method: str, settings: str) -> str:
        own = json.loads(settings)
        said = [f"{name}={own[name]}" for name in differing[method] if name in own]
        return f"{method} ({', '.join(said)})" if said else method

    picked = rows["selection"].map(lambda rule: "" if rule == "last" else f", {rule}")
    return _of_each(line, rows["method"], rows["settings"]) + picked


def _differs(name: str, settings: list[dict[str, Any]]) -> bool:
    return len({json.dumps(each.get(name)) for each in settings}) > 1


def _graph_case(rows: pd.DataFrame) -> pd.Series:
    return rows["size"].astype(str) + " nodes (" + rows["difficulty"] + ")"


def _difficulty_order(difficulties: pd.Series) -> pd.Series:
    """``same``, then numbers as they grow, whatever they are a value of; ``harder`` is the last."""
    return difficulties.map({"same": -math.inf, "harder": math.inf}).fillna(
        pd.to_numeric(difficulties.str.rpartition("=")[2], errors="coerce")
    )
