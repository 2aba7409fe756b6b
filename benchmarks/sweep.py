"""The main job: train, evaluate, CSV, table, figures. ``python -m benchmarks.sweep``."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from joblib import Parallel, delayed

from benchmarks.cli import Plugins, numbers, run_command
from benchmarks.contract import check_added
from benchmarks.errors import UsageError, unknown
from benchmarks.execute import Planned, execute
from benchmarks.figures import write_figures
from benchmarks.preset import DOMAINS, Preset, checked, named_presets, read_preset
from benchmarks.progress import Display
from benchmarks.registry import ADDED, METHODS, load_plugins
from benchmarks.runs import Run, plan
from benchmarks.settings import check_names, parse_assignments
from benchmarks.store import Store
from benchmarks.tables import write_table
from benchmarks.training import Execution
from irem_core.engine import ENGINES, check_engine
from irem_core.precision import DTYPES


def sweep(
    preset: Annotated[
        str, typer.Option(help=f"One of {', '.join(named_presets())}, or the path of a TOML file.")
    ] = "quick",
    tasks: Annotated[str | None, typer.Option(help="Names, separated by commas.")] = None,
    methods: Annotated[
        str | None, typer.Option(help="Names, separated by commas; trivial: all of these.")
    ] = None,
    sizes: Annotated[
        str | None, typer.Option(help="Sides of matrices, or nodes of graphs: 10,15.")
    ] = None,
    difficulties: Annotated[
        str | None, typer.Option(help="same, harder, or values of the task's difficulty.")
    ] = None,
    steps: Annotated[str | None, typer.Option(help="Step budgets at test time: 1,10,80.")] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Training runs of each, from seed 0 on.")
    ] = None,
    train_iterations: Annotated[int | None, typer.Option(help="Updates of training.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting; METHOD.NAME=VALUE for one."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Runs at a time; they share the cores.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a run. [cores / jobs]")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help=f"One of {', '.join(DTYPES)}.")] = None,
    engine: Annotated[
        str, typer.Option(help=f"How matrix tasks are trained: {', '.join(ENGINES)}.")
    ] = "eager",
    seeds_at_once: Annotated[
        bool, typer.Option("--seeds-at-once", help="Of matrix tasks, in one computation.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of results. [runs/PRESET]")] = None,
    plugins: Plugins = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
) -> None:
    """Train and evaluate every method of a preset, and write CSV, traces, table and figures."""
    load_plugins(plugins)
    settings = parse_assignments(assignments or [])
    settings |= {"train_iterations": train_iterations} if train_iterations is not None else {}
    settings |= {"dtype": dtype} if dtype is not None else {}
    check_names(settings)
    chosen = with_options(
        checked(read_preset(preset)),
        {
            "tasks": _names(tasks),
            "methods": _names(methods),
            "difficulties": _difficulties(difficulties),
            "seeds": seeds,
        },
        {
            "sizes": None if sizes is None else numbers("--sizes", sizes),
            "steps": None if steps is None else numbers("--steps", steps),
        },
    )
    check_added(chosen.methods)
    planned = plan(chosen, settings)
    how = Execution(_device(device), threads or cores() // jobs or 1, engine)
    planned_jobs = jobs_of(planned, seeds_at_once)
    _check(planned_jobs, how)
    folder = out or Path("runs") / Path(preset).stem
    if dry_run:
        _describe(planned)
        return
    store = Store(folder)
    store.prepare()
    try:
        statuses = run_all(planned_jobs, store, jobs, how)
    finally:
        store.collect()  # what is finished is written down, whatever happened to the others
    print(write_table(folder))
    for path in write_figures(folder):
        print(path)
    print(store.csv)
    unfinished = statuses.total() - statuses["ok"]
    if unfinished:
        print(f"{unfinished} of {statuses.total()} runs did not finish; see {folder / 'table.md'}.")
        raise typer.Exit(1)


def with_options(preset: Preset, options: dict[str, Any], domain_options: dict[str, Any]) -> Preset:
    """A preset in which what was said on the command line goes first."""
    said = {name: value for name, value in options.items() if value is not None}
    domain = {name: value for name, value in domain_options.items() if value is not None}
    sections = {name: preset.section(name).model_dump() | domain for name in DOMAINS}
    return checked(preset.model_dump() | said | sections)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_of(planned: Planned, seeds_at_once: bool) -> list[Planned]:
    """What is executed in one go: a run, or all seeds of one, where that can be."""
    families: dict[str, Planned] = {}
    for run, evaluations in planned:
        at_once = seeds_at_once and run.task.domain == "matrix"
        families.setdefault(run.family if at_once else run.key, []).append((run, evaluations))
    return list(families.values())


def run_all(jobs: list[Planned], store: Store, workers: int, how: Execution) -> Counter[str]:
    """Execute everything, ``workers`` jobs at a time, and count how the runs ended."""
    statuses: Counter[str] = Counter()
    with Display(store, [run for job in jobs for run, _ in job]) as display:
        work = (
            delayed(_execute)(
                job, store.folder, replace(how, engine=_engine(job, how)), {*ADDED.values()}
            )
            for job in jobs
        )
        for ended in Parallel(n_jobs=workers, return_as="generator_unordered")(work):
            for run, status in ended:
                display.finished(run, status)
                statuses[status] += 1
    return statuses


def _execute(
    job: Planned, folder: Path, how: Execution, plugins: set[str]
) -> list[tuple[Run, str]]:
    load_plugins(plugins)  # a worker is a process of its own
    return list(zip([run for run, _ in job], execute(job, folder, how), strict=True))


def _check(jobs: list[Planned], how: Execution) -> None:
    """Raise UsageError if a job cannot be executed so."""
    for job in jobs:
        run, _ = job[0]
        try:
            if METHODS[run.method].learns:
                check_engine(_engine(job, how), run.task, how.device, len(job))
        except ValueError as error:
            raise UsageError(f"{error}") from error


def _engine(job: Planned, how: Execution) -> str:
    """The engine asked for, or for graphs, whose updates differ in shape, the one that can."""
    return how.engine if job[0][0].task.domain == "matrix" else "eager"


def _describe(planned: Planned) -> None:
    for run, evaluations in planned:
        tests = ", ".join(f"{e.size} {e.difficulty}" for e in evaluations)
        print(f"{run.key}  {run}: {tests}; up to {evaluations[0].steps[-1]} steps")
    print(f"{len(planned)} runs")


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _difficulties(text: str | None) -> list[str | float] | None:
    names = _names(text)
    return None if names is None else [_difficulty(name) for name in names]


def _difficulty(name: str) -> str | float:
    try:
        return float(name)
    except ValueError:
        return name


def _device(name: str) -> torch.device:
    """The device asked for. Raises UsageError if it is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise unknown("device", name, ["auto", "cpu", "cuda"])
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("There is no CUDA device here; use --device cpu or auto.")
    there = torch.cuda.is_available() and name != "cpu"
    return torch.device("cuda" if there else "cpu")


if __name__ == "__main__":
    run_command(sweep)
