"""From a folder of results to the text of the page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from benchmarks.claims import claims, sections
from benchmarks.errors import UsageError
from benchmarks.report.explorer import PROBLEMS, explorer
from benchmarks.schema import read_results
from benchmarks.tables import failures, result_tables
from irem_core.checkpoint import write_whole

T = TypeVar("T")

HERE = Path(__file__).parent
NAME = "report.html"
LISTED = 100  # runs that are not ok, at most
VERSIONS = ("python", "torch", "torch_geometric", "numpy", "driver")


def write_report(folder: Path) -> Path:
    """Write report.html from the results of a folder; the path written.

    Raises UsageError if there are no results. What else is missing, the page says.
    """
    path = folder / NAME
    write_whole(path, page(folder).encode())
    return path


def page(folder: Path) -> str:
    """The page, with all that it needs in it."""
    results = read_results(folder)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["emphasised"] = emphasised
    made_claims, no_claims = _or_why(claims, folder)
    made_tables, no_tables = _or_why(result_tables, folder)
    return environment.get_template("page.html").render(
        name=folder.resolve().name,
        folder=folder,
        facts=facts(results),
        failures=not_ok(results),
        listed=LISTED,
        claims=sections(made_claims),
        no_claims=no_claims,
        tables=made_tables,
        no_tables=no_tables,
        figures=[(caption(path), embedded(path)) for path in _figures(folder)],
        explorer=explorer(folder, results),
        problems=PROBLEMS,
        style=_own("style.css"),
        script=_own("explorer.js"),
    )


def facts(results: pd.DataFrame) -> list[tuple[str, str]]:
    """What was run, where and when."""
    runs = results.groupby("run_key")
    failed = int(runs["status"].agg(lambda each: (each != "ok").any()).sum())
    hours = runs["train_seconds"].max().sum() / 3600
    created = pd.to_datetime(results["created"].dropna(), format="ISO8601", utc=True)
    when = created.agg(["min", "max"]).dt.strftime("%Y-%m-%d %H:%M UTC").dropna().unique()
    versions = [f"{name} {_said(results[name])}" for name in VERSIONS if _said(results[name])]
    return [
        ("Tasks", _said(results["task"])),
        ("Methods", _said(results["method"])),
        ("Seeds", _said(results["seed"])),
        ("Test problems", _said(results["problems"])),
        ("Runs", f"{runs.ngroups - failed} ok, {failed} not ok"),
        ("Time of training", f"{hours:.3g} hours in total"),
        ("Commit", ", ".join(_commits(results))),
        ("Devices", _said(results["device"])),
        ("Threads of a run", _said(results["threads"])),
        ("Number type", _said(results["dtype"])),
        ("Versions", ", ".join(versions)),
        ("When", " to ".join(when)),
    ]


def _said(column: pd.Series) -> str:
    """The different values of a column, as text."""
    values = np.unique(column.dropna().to_numpy())
    return ", ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _commits(results: pd.DataFrame) -> list[str]:
    made_by = results[["commit", "dirty"]].dropna().drop_duplicates()
    changed = {True: " with changes that are not in it", False: ""}
    return [f"{str(row.commit)[:12]}{changed[bool(row.dirty)]}" for row in made_by.itertuples()]


def not_ok(results: pd.DataFrame) -> list[dict[str, Any]]:
    """The runs that are not ok, and why."""
    columns = ["status", "task", "method", "size", "difficulty", "seed", "error"]
    return failures(results)[columns].fillna("").to_dict("records")


def emphasised(text: str) -> Markup:
    """Text with ``**bold**`` and ``*italic*`` as HTML, all else escaped."""
    strong = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", str(escape(text)))
    return Markup(re.sub(r"\*([^* ][^*]*)\*", r"<em>\1</em>", strong))


def caption(figure: Path) -> str:
    """The name of a figure's file in words."""
    words = figure.stem.replace("_", " ")
    return words[:1].upper() + words[1:]


def embedded(figure: Path) -> str:
    """A figure as an address that contains the bytes of its file."""
    return f"data:image/png;base64,{b64encode(figure.read_bytes()).decode()}"


def _figures(folder: Path) -> list[Path]:
    return sorted((folder / "figures").glob("*.png"))


def _or_why(make: Callable[[Path], list[T]], folder: Path) -> tuple[list[T], str]:
    """What is made from a folder, or nothing and why."""
    try:
        return make(folder), ""
    except UsageError as error:
        return [], str(error)


def _own(name: str) -> Markup:
    return Markup((HERE / name).read_text(encoding="utf-8"))
