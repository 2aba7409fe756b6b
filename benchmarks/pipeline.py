"""From the options of a sweep to its results: what is run, in which jobs, and how it is stopped."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pandas as pd
import typer

from benchmarks.claims import write_claims
from benchmarks.contract import check_added
from benchmarks.distribute import run_all
from benchmarks.errors import UsageError
from benchmarks.execute import is_done
from benchmarks.figures import write_figures
from benchmarks.preset import DOMAINS, Preset, checked, read_preset
from benchmarks.rates import product_rates, why_mixed_is_slow
from benchmarks.registry import METHODS
from benchmarks.runs import Planned, Run, plan
from benchmarks.settings import Settings, check_names
from benchmarks.store import ASKED, Store
from benchmarks.supervise import start_again, stop_all
from benchmarks.tables import write_tables
from benchmarks.training import Execution
from irem_core.engine import check_engine

Phases = list[list[tuple[Planned, Execution]]]
"""The jobs of a sweep, each with how it is executed; those of one phase after those of another."""


def planned_runs(
    preset: str,
    smoke: bool,
    options: dict[str, Any],
    domain_options: dict[str, Any],
    settings: Settings,
) -> Planned:
    """The training runs and evaluations of a preset, changed by the options of the command line.

    Raises UsageError for an option that cannot be run, and for a plugin that breaks a rule.
    """
    check_names(settings)
    chosen = with_options(checked(read_preset(preset, smoke)), options, domain_options)
    check_added(chosen.methods)
    return plan(chosen, settings)


def execute_all(
    planned: Planned,
    phases: Phases,
    store: Store,
    workers: int,
    backend: str,
    scheduler: str | None,
) -> set[str]:
    """Execute what is not done yet, phase by phase. Returns the keys of the runs that failed."""
    store.prepare()
    store.ask(asked_of(planned))
    _say_what_is_left(phases, store, workers)
    if backend == "loky":  # the devices of a cluster are not known here
        _warn_of_slow_precision(phases, store)
    failed: set[str] = set()
    with stopping_at_once(store):
        for phase in phases:
            undone = [(job, how) for job, how in phase if _is_to_do(job, store, failed)]
            if undone:
                ends = run_all(undone, store, workers, backend, scheduler)
                failed |= {key for key, status in ends.items() if status != "ok"}
    store.collect()
    return failed


def _say_what_is_left(phases: Phases, store: Store, workers: int) -> None:
    """Say on standard error how many runs are left, before the first of them begins."""
    keys = {run.key for phase in phases for job, _ in phase for run, _ in job}
    left = {run.key for run, _ in _left(phases, store)}
    at_a_time = f", {workers} at a time" if workers > 0 else ""  # a cluster decides for itself
    sentence = f"{len(left)} of {len(keys)} runs are left to do{at_a_time}."
    print(f"{sentence} Results go to {store.folder}.", file=sys.stderr, flush=True)


def _warn_of_slow_precision(phases: Phases, store: Store) -> None:
    """Say on standard error if a run is in mixed precision and that is slower than float32."""
    devices = {how.place for run, how in _left(phases, store) if run.dtype == "mixed"}
    for device in devices:
        reason = why_mixed_is_slow(product_rates(device))
        if reason:
            print(f"{reason} --dtype float32 is faster.", file=sys.stderr, flush=True)


def _left(phases: Phases, store: Store) -> Iterator[tuple[Run, Execution]]:
    """The runs that have something left to do, and how they are executed."""
    for phase in phases:
        for job, how in phase:
            for run, evaluations in job:
                if not is_done(run, evaluations, store):
                    yield run, how


def write_output(store: Store, jobs: int) -> None:
    """Write tables, claims and figures of the results, and print the tables and where it all is.

    Figures are drawn by ``jobs`` processes.
    """
    text = write_tables(store.folder)
    write_claims(store.folder)
    figures = write_figures(store.folder, jobs=jobs)
    print(text, *figures, store.csv, sep="\n")


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
        for one in before:  # a second one changes nothing
            signal.signal(one, signal.SIG_IGN)
        stop_all()
        raise KeyboardInterrupt

    start_again()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, stop)
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
