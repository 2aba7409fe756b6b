"""The main job: train, evaluate, CSV, table, figures. ``python -m benchmarks.sweep``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks.claims import write_claims
from benchmarks.cli import Plugins, numbers, run_command
from benchmarks.contract import check_added
from benchmarks.distribute import BACKENDS, check_backend, run_all
from benchmarks.errors import UsageError
from benchmarks.execute import is_done
from benchmarks.figures import write_figures
from benchmarks.forecast import describe
from benchmarks.preset import DOMAINS, Preset, checked, named_presets, read_preset
from benchmarks.provenance import now
from benchmarks.registry import METHODS, load_plugins
from benchmarks.runs import Planned, plan
from benchmarks.settings import check_names, parse_assignments
from benchmarks.store import ASKED, Store
from benchmarks.supervise import start_again, stop_all
from benchmarks.tables import write_tables
from benchmarks.training import DEVICES, Execution, checked_device
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
        str | None,
        typer.Option(help="same, harder, values of the difficulty, or NAME=VALUE."),
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
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time, on this machine. [1]")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a run. [cores / jobs]")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that a run may take, or all seeds at once.")
    ] = None,
    backend: Annotated[str, typer.Option(help=f"One of {', '.join(BACKENDS)}.")] = "loky",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask cluster.")
    ] = None,
    device: Annotated[str, typer.Option(help=f"One of {', '.join(DEVICES)}.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help=f"One of {', '.join(DTYPES)}.")] = None,
    engine: Annotated[
        str, typer.Option(help=f"How matrix tasks are trained: {', '.join(ENGINES)}.")
    ] = "eager",
    seeds_at_once: Annotated[
        bool, typer.Option("--seeds-at-once", help="Of matrix tasks, in one computation.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of results. [runs/PRESET]")] = None,
    plugins: Plugins = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The preset at a tiny size: does it run?")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
) -> None:
    """Train and evaluate every method of a preset, and write CSV, traces, table and figures."""
    load_plugins(plugins)
    settings = parse_assignments(assignments or [])
    settings |= {"train_iterations": train_iterations} if train_iterations is not None else {}
    settings |= {"dtype": dtype} if dtype is not None else {}
    check_names(settings)
    chosen = with_options(
        checked(read_preset(preset, smoke)),
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
    check_backend(backend, scheduler, jobs)
    _check_timeout(timeout)
    how = Execution(checked_device(device), threads or 1, engine, timeout, now())
    if backend == "loky":
        own = threads or cores() // (jobs or 1) or 1
        how = replace(how, device=how.place.type, threads=own)
    phases = [jobs_of(each, how, seeds_at_once) for each in in_order(planned)]
    folder = out or Path("runs") / f"{Path(preset).stem}{'-smoke' * smoke}"
    store = Store(folder)
    if dry_run:
        print(describe(planned, store, jobs or 1))
        return
    store.prepare()
    store.ask(asked_of(planned))
    workers = jobs or (1 if backend == "loky" else -1)
    failed: set[str] = set()  # keys of runs
    with stopping_at_once(store):
        for phase in phases:
            undone = [(job, how) for job, how in phase if _is_to_do(job, store, failed)]
            ends = run_all(undone, store, workers, backend, scheduler)
            failed |= {key for key, status in ends.items() if status != "ok"}
    store.collect()
    print(write_tables(folder))
    write_claims(folder)
    for path in write_figures(folder):
        print(path)
    print(store.csv)
    if failed:
        print(f"{len(failed)} of {len(planned)} runs did not finish; see {folder / 'table.md'}.")
        raise typer.Exit(1)


def asked_of(planned: Planned) -> pd.DataFrame:
    """What a store is told of the runs."""
    rows = [(run.task.name, run.method, run.seed, run.key) for run, _ in planned]
    return pd.DataFrame(rows, columns=[*ASKED])


def in_order(planned: Planned) -> list[Planned]:
    """What needs no run but its own, and then what the trained methods of others are needed for."""
    alone = [(run, [e for e in each if not e.parts]) for run, each in planned]
    together = [(run, [e for e in each if e.parts]) for run, each in planned]
    return [alone, [(run, each) for run, each in together if each]]


@contextmanager
def stopping_at_once(store: Store) -> Iterator[None]:
    """At Ctrl-C, or when asked to terminate, kill what runs; what is finished is written down."""

    def stop(number: int, frame: object) -> None:
        stop_all()
        raise KeyboardInterrupt

    start_again()
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except KeyboardInterrupt as error:
        store.collect()
        print(
            f"Stopped. What is finished is in {store.csv}; the same command goes on from there.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from error
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def with_options(preset: Preset, options: dict[str, Any], domain_options: dict[str, Any]) -> Preset:
    """A preset in which what was said on the command line goes first."""
    said = {name: value for name, value in options.items() if value is not None}
    domain = {name: value for name, value in domain_options.items() if value is not None}
    sections = {name: preset.section(name).model_dump() | domain for name in DOMAINS}
    return checked(preset.model_dump() | said | sections)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def jobs_of(
    planned: Planned, how: Execution, seeds_at_once: bool
) -> list[tuple[Planned, Execution]]:
    """What is executed in one go, and how: a run, or all seeds of one, where that can be.

    Graphs, whose updates differ in shape, are trained one at a time and eagerly. Raises UsageError
    if a job cannot be executed as it is asked.
    """
    families: dict[str, Planned] = {}
    for run, evaluations in planned:
        at_once = seeds_at_once and run.task.domain == "matrix"
        families.setdefault(run.family if at_once else run.key, []).append((run, evaluations))
    return [(job, _executed(job, how)) for job in families.values()]


def _executed(job: Planned, how: Execution) -> Execution:
    run, _ = job[0]
    how = how if run.task.domain == "matrix" else replace(how, engine="eager")
    try:
        if METHODS[run.method].learns:
            place = how.place if how.device == "auto" else how.device
            check_engine(how.engine, run.task, run.training, place, len(job))
    except ValueError as error:
        raise UsageError(f"{error}") from error
    return how


def _is_to_do(job: Planned, store: Store, failed: set[str]) -> bool:
    """Whether there is something left, of runs that did not fail in this sweep already."""
    if any(run.key in failed for run, _ in job):
        return False
    return not all(is_done(run, evaluations, store) for run, evaluations in job)


def _check_timeout(timeout: float | None) -> None:
    if timeout is not None and not 0 < timeout <= threading.TIMEOUT_MAX:
        raise UsageError(f"--timeout takes seconds, more than 0, not {timeout}.")


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


if __name__ == "__main__":
    run_command(sweep)
