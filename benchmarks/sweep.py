"""The main job: train, evaluate, CSV, table, figures. ``python -m benchmarks.sweep``.

Only the command line is here. What does the work, ``benchmarks.pipeline``, is imported when the
options are read, because it imports torch, which takes seconds.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli import Plugins, numbers, run_command
from benchmarks.cores import cores, default_threads
from benchmarks.errors import UsageError
from benchmarks.presets import named_presets


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
        int | None,
        typer.Option(
            min=1,
            help="Runs at a time, on this machine. Default: cores / threads; on CUDA, devices.",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of a run. Default: OMP_NUM_THREADS, or 1.")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds that a run may take, or all seeds at once.")
    ] = None,
    backend: Annotated[str, typer.Option(help="One of loky, dask.")] = "loky",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of a Dask cluster.")
    ] = None,
    device: Annotated[str, typer.Option(help="One of auto, cpu, cuda.")] = "auto",
    dtype: Annotated[str | None, typer.Option(help="One of float32, float64, mixed.")] = None,
    engine: Annotated[
        str, typer.Option(help="How matrix tasks are trained: eager, compiled, captured.")
    ] = "eager",
    seeds_at_once: Annotated[
        bool, typer.Option("--seeds-at-once", help="Of matrix tasks, in one computation.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder of results. Default: runs/PRESET.")
    ] = None,
    plugins: Plugins = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="The preset at a tiny size: does it run?")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
) -> None:
    """Train and evaluate every method of a preset, and write CSV, traces, table and figures."""
    _check_timeout(timeout)
    if "torch" not in sys.modules:
        print("Loading torch ...", file=sys.stderr, flush=True)
    from benchmarks import pipeline
    from benchmarks.distribute import check_backend
    from benchmarks.forecast import describe
    from benchmarks.provenance import now
    from benchmarks.registry import load_plugins
    from benchmarks.settings import parse_assignments
    from benchmarks.store import Store
    from benchmarks.training import Execution, checked_device

    load_plugins(plugins)
    settings = parse_assignments(assignments or [])
    settings |= {"train_iterations": train_iterations} if train_iterations is not None else {}
    settings |= {"dtype": dtype} if dtype is not None else {}
    options = {
        "tasks": _names(tasks),
        "methods": _names(methods),
        "difficulties": _difficulties(difficulties),
        "seeds": seeds,
    }
    domain_options = {
        "sizes": None if sizes is None else numbers("--sizes", sizes),
        "steps": None if steps is None else numbers("--steps", steps),
    }
    planned = pipeline.planned_runs(preset, smoke, options, domain_options, settings)
    check_backend(backend, scheduler, jobs)
    how = Execution(checked_device(device), threads or default_threads(), engine, timeout, now())
    if backend == "loky":
        how = replace(how, device=how.place.type)
        workers = jobs or default_jobs(how.device, how.threads or 1)
    else:
        workers = -1  # all that the cluster has
    phases = [pipeline.jobs_of(p, how, seeds_at_once) for p in pipeline.in_order(planned)]
    store = Store(out or Path("runs") / f"{Path(preset).stem}{'-smoke' * smoke}")
    if dry_run:
        print(describe(planned, store, max(workers, 1)))
        return
    failed = pipeline.execute_all(planned, phases, store, workers, backend, scheduler)
    pipeline.write_output(store, jobs=workers if backend == "loky" else cores())
    if failed:
        table = store.folder / "table.md"
        print(f"{len(failed)} of {len(planned)} runs did not finish; see {table}.")
        raise typer.Exit(1)


def default_jobs(device: str, threads: int) -> int:
    """How many runs are executed at a time: one per CUDA device, else one per ``threads`` cores.

    Processes that share a device, or have more threads than cores, slow each other down.
    """
    if device == "cuda":
        import torch

        return torch.cuda.device_count()
    return max(1, cores() // threads)


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
