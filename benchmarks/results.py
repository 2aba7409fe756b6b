"""A folder of results, looked after: ``python -m benchmarks.results status DIR``."""

from __future__ import annotations

import json
import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from filelock import Timeout

from baselines.structured import FeedforwardStructured, RecurrentStructured
from benchmarks.cli import Plugins, run_app
from benchmarks.evaluation import Trace, last_errors
from benchmarks.execute import ERROR
from benchmarks.registry import TASKS, learns, load_plugins
from benchmarks.shown import shown_frames, shown_part
from benchmarks.store import (
    ERRORS,
    EXAMPLES,
    MEASURED,
    ROWS,
    TRACE,
    Store,
    opened,
    same_value,
    write_frame,
)
from irem_core.checkpoint import WEIGHTS, write_whole
from irem_core.irem import IREM
from irem_core.irem_structured import IREMStructured

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")]

MAIN = (
    IREM.name,
    IREMStructured.name,
    RecurrentStructured.name,
    FeedforwardStructured.name,
)
"""The methods whose parameters ``trim`` keeps unless it is told to keep all."""


class Examples(StrEnum):
    """What must be shown for ``trim`` to keep its examples."""

    REPORT = "report"
    FIGURES = "figures"


class Weights(StrEnum):
    """The methods whose parameters ``trim`` keeps, of seed 0."""

    MAIN = "main"
    ALL = "all"


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def status(folder: Folder) -> None:
    """Say what is finished, what is being trained now, and what went wrong."""
    store = opened(folder)
    rows = store.frame()
    runs = rows.groupby(["task", "method", "run_key"])["status"].agg(_worst).reset_index()
    counts = pd.crosstab([runs["task"], runs["method"]], runs["status"]).reset_index()
    print(counts.to_markdown(index=False) if len(counts) else "No run is finished.")
    for key, done in sorted(store.progress().items()):
        print(f"{key}: at work, {done} updates")
    wrong = rows[rows["mse"].isna()].drop_duplicates("run_key")
    for row in wrong.itertuples():
        print(f"{row.run_key}: {row.method} on {row.task}, seed {row.seed}: {row.error}")


@app.command()
def collect(folder: Folder) -> None:
    """Make results.csv from the runs that are finished, also while a sweep is at work."""
    store = opened(folder)
    print(f"{store.csv}: {len(store.collect())} rows")


@app.command()
def merge(
    folder: Folder,
    others: Annotated[list[Path], typer.Argument(metavar="OTHER...", help="Folders to take from.")],
) -> None:
    """Take over the rows of other folders, by key. Where two differ, neither is changed."""
    sources = [opened(other) for other in others]
    store = Store(folder)
    store.prepare()
    left = [said for source in sources for said in _take(store, source)]
    for source in sources:
        store.ask(source.asked())
    print(f"{store.csv}: {len(store.collect())} rows")
    for said in left:
        print(said)
    if left:
        raise typer.Exit(1)


@app.command()
def trim(
    folder: Folder,
    problems: Annotated[
        int, typer.Option(min=2, help="The first so many keep their traces.")
    ] = 100,
    examples: Annotated[
        Examples,
        typer.Option(help="Keep the examples of the report, or those of figures and tables alone."),
    ] = Examples.REPORT,
    weights: Annotated[
        Weights,
        typer.Option(help=f"Keep the parameters of {', '.join(MAIN)}, or of all that learn."),
    ] = Weights.MAIN,
    plugins: Plugins = None,
) -> None:
    """Cut down what takes much room, and keep what tables, figures and the sweep go on with.

    It keeps all rows and curves, the error of all problems after the last step, traces of the first
    problems, and what every start of a search came to. Of the examples it keeps the first problem
    of the evaluations that are shown, at the steps that are shown; of the energy landscapes those
    that are shown; of the parameters those of seed 0.
    """
    load_plugins(plugins)
    store, before = opened(folder), _megabytes(folder)
    # a sweep may finish more while this goes on; of those it is not known what is shown
    finished = {path for run in folder.glob("runs/*") for path in _finished(run, store)}
    shown = _shown(store, examples is Examples.REPORT)
    for run in sorted(folder.glob("runs/*")):
        try:
            with store.lock(run.name).acquire(blocking=False):
                for evaluation in sorted(finished & _finished(run, store).keys()):
                    _trim(evaluation, problems, shown)
                _trim_weights(run, store, weights)
        except Timeout:
            print(f"{run}: a process is at it, so it was left as it is")
    print(f"{folder}: {_megabytes(folder):.1f} MB, before {before:.1f} MB")


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def _shown(store: Store, report: bool) -> dict[str, set[Path]]:
    """The evaluations whose examples and landscape are kept, by the name of the frame.

    What is shown of a task is unknown while its plugin is not loaded, so all of it is kept.
    """
    results = store.collect()
    known = results["task"].isin([*TASKS])
    shown = shown_frames(store.folder, results[known], report)
    unknown = {
        evaluation
        for key in results.loc[~known, "run_key"].unique()
        for evaluation in store.run_folder(key).iterdir()
    }
    return {name: evaluations | unknown for name, evaluations in shown.items()}


def _finished(run: Path, store: Store) -> dict[Path, dict[str, Any]]:
    """The folders of a run's finished evaluations, each with its first row of results."""
    rows = {path: store.rows(run.name, path.name) for path in run.iterdir() if path.is_dir()}
    return {path: found[0] for path, found in rows.items() if found}


def _trim(evaluation: Path, problems: int, shown: dict[str, set[Path]]) -> None:
    """Trim a finished evaluation."""
    _trim_trace(evaluation, problems)
    for name, evaluations in shown.items():
        if evaluation not in evaluations:
            (evaluation / name).unlink(missing_ok=True)
    _trim_examples(evaluation / EXAMPLES)


def _trim_weights(run: Path, store: Store, weights: Weights) -> None:
    """Remove the parameters of a run that is finished, unless they are to be kept."""
    finished = _finished(run, store)
    if not finished or any(path.is_dir() and path not in finished for path in run.iterdir()):
        return  # the remaining evaluations need them
    row = next(iter(finished.values()))
    chosen = row["method"] in MAIN if weights is Weights.MAIN else learns(row["method"])
    if row["seed"] != 0 or not chosen:
        (run / WEIGHTS).unlink(missing_ok=True)


def _trim_trace(evaluation: Path, problems: int) -> None:
    """Cut the trace to the first problems, and write the last errors of all problems beside it."""
    traced = pd.read_parquet(evaluation / TRACE) if (evaluation / TRACE).exists() else None
    if traced is None or traced["problem"].max() < problems:
        return
    if "mean_error" not in traced:  # else it was trimmed before
        whole = Trace.from_frame(traced)
        write_frame(evaluation / ERRORS, last_errors(whole, len(whole.errors) - 1))
        traced["mean_error"] = whole.mean_errors[traced["step"]]
    write_frame(evaluation / TRACE, traced[traced["problem"] < problems])


def _trim_examples(path: Path) -> None:
    """Cut examples to what is shown of them. A file that has no more than that is left alone."""
    if not path.exists():
        return
    examples = pd.read_parquet(path)
    kept = shown_part(examples)
    if len(kept) < len(examples):
        write_frame(path, kept)


@app.command()
def clean(
    folder: Folder,
    failed: Annotated[
        bool, typer.Option("--failed", help="Also runs that failed, with nothing to go on from.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove what no result needs: damaged and half-written files, states of finished runs."""
    store = opened(folder)
    removed = []
    for run in sorted(folder.glob("runs/*")):
        try:
            with store.lock(run.name).acquire(blocking=False):
                whole = failed and _is_without_result(store, run)
                removed += [run.name] if whole else []
                for path in [run] if whole else _leftovers(run):
                    print(path)
                    if not dry_run:
                        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except Timeout:
            print(f"{run}: a process is at it, so it was left as it is")
    if not dry_run:
        store.collect(removed)


def _worst(statuses: pd.Series) -> str:
    return next((each for each in statuses if each != "ok"), "ok")


def _take(store: Store, source: Store) -> list[str]:
    """Take over what is not there; what could not be taken, in a sentence each."""
    return [
        said
        for path in sorted(source.folder.glob(f"runs/*/*/{ROWS}"))
        if (said := _take_evaluation(store, source, path.parent.parent.name, path.parent.name))
    ]


def _take_evaluation(store: Store, source: Store, run_key: str, evaluation_key: str) -> str:
    """Empty if all is well."""
    new_folder, own_folder = (s.run_folder(run_key) / evaluation_key for s in (source, store))
    try:
        with store.lock(run_key).acquire(blocking=False):
            own, new = (_by_case(s.rows(run_key, evaluation_key)) for s in (store, source))
            if not new:
                return f"{new_folder} is damaged, or has no whole trace; nothing was taken from it"
            if _conflict(own, new):
                return f"{new_folder} has other numbers than {own_folder}; neither was changed"
            better = {c: row for c, row in new.items() if "mse" not in own.get(c, {})}
            both = own | {c: row for c, row in better.items() if "mse" in row or c not in own}
            if both != own:
                farther = _reaches(new) > _reaches(own)  # its trace has the steps of the other too
                _copy(new_folder, own_folder, both, frames=farther)
            return ""
    except Timeout:
        return f"{new_folder}: a process is at this run in {store.folder}; merge again later"


Cases = dict[tuple[int, str], dict[str, Any]]


def _copy(source: Path, target: Path, rows: Cases, frames: bool) -> None:
    """Write rows to an evaluation, with the frames of another and what its run has beside it."""
    target.mkdir(parents=True, exist_ok=True)
    if frames:
        for frame in source.glob("*.parquet"):
            write_whole(target / frame.name, frame.read_bytes())
    for file in (f for f in source.parent.iterdir() if f.is_file()):
        if not (target.parent / file.name).exists():
            write_whole(target.parent / file.name, file.read_bytes())
    write_whole(target / ROWS, json.dumps(list(rows.values()), indent=1).encode())


def _by_case(rows: list[dict[str, Any]]) -> Cases:
    return {(row["steps"], row["selection"]): row for row in rows}


def _conflict(own: Cases, new: Cases) -> bool:
    """Whether both have measured the same and found something else."""
    common = [case for case in own.keys() & new.keys() if "mse" in own[case] and "mse" in new[case]]
    return not all(
        same_value(own[case].get(column), new[case].get(column))
        for case in common
        for column in MEASURED
    )


def _reaches(cases: Cases) -> int:
    """The largest budget that was measured."""
    return max((steps for (steps, _), row in cases.items() if "mse" in row), default=0)


def _leftovers(run: Path) -> list[Path]:
    found = [*run.rglob("*.part"), *run.rglob("*.damaged*")]
    return [*found, *run.glob("state-*")] if (run / WEIGHTS).exists() else found


def _is_without_result(store: Store, run: Path) -> bool:
    """Whether a run has failed, and has nothing to go on from."""
    folders = [path for path in run.iterdir() if path.is_dir()]
    rows = [row for folder in folders for row in store.rows(run.name, folder.name)]
    measured = any("mse" in row for row in rows)
    return (run / ERROR).exists() and not measured and not list(run.glob("state-*"))


if __name__ == "__main__":
    run_app(app)
