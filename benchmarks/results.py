"""A folder of results, looked after: ``python -m benchmarks.results status DIR``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from filelock import Timeout

from benchmarks.cli import run_app
from benchmarks.errors import UsageError
from benchmarks.execute import ERROR
from benchmarks.store import ROWS, Store
from irem_core.checkpoint import WEIGHTS

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")]

MEASURED = ("mse", "skill", "solve_rate", "energy", "steps_used", "status")
"""The columns of a row that its key decides, on the same kind of device."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def status(folder: Folder) -> None:
    """Say what is finished, what is being trained now, and what went wrong."""
    store = _existing(folder)
    rows = store.frame()
    runs = rows.groupby(["task", "method", "run_key"])["status"].agg(_worst).reset_index()
    counts = pd.crosstab([runs["task"], runs["method"]], runs["status"])
    print(counts.to_markdown() if len(counts) else "No run is finished.")
    for key, done in sorted(store.progress().items()):
        print(f"{key}: at work, {done} updates")
    wrong = rows[rows["mse"].isna()].drop_duplicates("run_key")
    for row in wrong.itertuples():
        print(f"{row.run_key}: {row.method} on {row.task}, seed {row.seed}: {row.error}")


@app.command()
def collect(folder: Folder) -> None:
    """Make results.csv from the runs that are finished, also while a sweep is at work."""
    store = _existing(folder)
    print(f"{store.csv}: {len(store.collect())} rows")


@app.command()
def merge(
    folder: Folder,
    others: Annotated[list[Path], typer.Argument(metavar="OTHER...", help="Folders to take from.")],
) -> None:
    """Take over the runs of other folders, by key. Where two differ, neither is changed."""
    sources = [_existing(other) for other in others]
    store = Store(folder)
    store.prepare()
    conflicts = [said for source in sources for said in _take(store, source)]
    print(f"{store.csv}: {len(store.collect())} rows")
    for said in conflicts:
        print(said)
    if conflicts:
        raise typer.Exit(1)


@app.command()
def clean(
    folder: Folder,
    failed: Annotated[
        bool, typer.Option("--failed", help="Also runs that have no result at all.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Remove what no result needs: damaged and half-written files, states of finished runs."""
    store = _existing(folder)
    for path in [*_leftovers(store), *(_without_result(store) if failed else [])]:
        print(path)
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if not dry_run:
        store.collect()


def _existing(folder: Path) -> Store:
    if not (folder / "runs").is_dir():
        raise UsageError(f"{folder} is no folder of results: there is no {folder / 'runs'}.")
    return Store(folder)


def _worst(statuses: pd.Series) -> str:
    return next((each for each in statuses if each != "ok"), "ok")


def _take(store: Store, source: Store) -> list[str]:
    """Copy what is not there; what is there with other numbers, in a sentence each."""
    conflicts = []
    for path in sorted(source.folder.glob(f"runs/*/*/{ROWS}")):
        run_key, evaluation_key = path.parent.parent.name, path.parent.name
        new, own = (each.rows(run_key, evaluation_key) for each in (source, store))
        differing = _differing(own, new)
        if differing:
            row = differing[0]
            conflicts.append(
                f"{path}: {row['method']} on {row['task']}, seed {row['seed']}, {row['steps']} "
                f"steps, has other numbers than {store.run_folder(run_key) / evaluation_key}"
            )
        elif _results(new).keys() - _results(own).keys():
            _copy(path.parent, store.run_folder(run_key) / evaluation_key)
            for file in path.parent.parent.glob("*.*"):
                if file.is_file() and not (store.run_folder(run_key) / file.name).exists():
                    _copy(file, store.run_folder(run_key) / file.name)
    return conflicts


def _results(rows: list[dict[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(row["steps"], row["selection"]): row for row in rows if "mse" in row}


def _differing(own: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of ``new`` that say something else than those of ``own`` for the same case."""
    known = _results(own)
    return [
        row
        for case, row in _results(new).items()
        if case in known and any(not _same(known[case].get(c), row.get(c)) for c in MEASURED)
    ]


def _same(one: Any, other: Any) -> bool:
    return one == other or (one != one and other != other)  # two that are not a number


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if source.is_dir():
        shutil.copytree(source, part, dirs_exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)
    else:
        shutil.copyfile(source, part)
    part.rename(target)


def _leftovers(store: Store) -> list[Path]:
    """What is not needed of runs that nobody is at."""
    free = [run for run in sorted(store.folder.glob("runs/*")) if _is_free(store, run.name)]
    found: list[Path] = []
    for run in free:
        found += [*run.rglob("*.part"), *run.rglob("*.damaged*")]
        if (run / WEIGHTS).exists():
            found += run.glob("state-*")
    names = {run.name for run in free}
    return found + [path for path in store.working.glob("*") if path.stem in names]


def _without_result(store: Store) -> list[Path]:
    rows = store.frame()
    measured = set(rows.loc[rows["mse"].notna(), "run_key"])
    runs = [path.parent for path in store.folder.glob(f"runs/*/{ERROR}")]
    return [run for run in runs if run.name not in measured and _is_free(store, run.name)]


def _is_free(store: Store, run_key: str) -> bool:
    """Whether no process is at a run."""
    try:
        with store.lock(run_key).acquire(blocking=False):
            return True
    except Timeout:
        return False


if __name__ == "__main__":
    run_app(app)
