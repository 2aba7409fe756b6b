"""Many runs, over the cores of this machine or the workers of a cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from joblib import Parallel, delayed, parallel_config

from benchmarks.errors import UsageError, unknown
from benchmarks.execute import execute, give_up, statuses, unfinished
from benchmarks.progress import Display
from benchmarks.registry import ADDED, load_plugins
from benchmarks.runs import Evaluation, Planned, Run
from benchmarks.store import Store
from benchmarks.supervise import StoppedError, TooLongError, supervised
from benchmarks.time_left import Work
from benchmarks.training import Execution
from irem_core.checkpoint import WEIGHTS

BACKENDS = ("loky", "dask")
"""Processes of loky on this machine; the workers of a Dask cluster."""

SCHEDULER_TIMEOUT = 10  # seconds until the scheduler of a cluster must have answered
WORKERS_COME = 600  # seconds that a cluster is given to have its first worker
RETRY = 1.0  # seconds, before runs that another sweep is at are asked for again


def run_all(
    jobs: list[tuple[Planned, Execution]],
    store: Store,
    workers: int,
    backend: str = "loky",
    scheduler: str | None = None,
) -> dict[str, str]:
    """Execute everything, ``workers`` jobs at a time; how the runs ended, by their keys.

    Joblib hands the jobs out. Each is executed in a process that is watched, so that one that takes
    too long or dies costs its own runs only. Jobs that another sweep is at are waited for.
    """
    ends: dict[str, str] = {}
    plugins = {*ADDED.values()}
    left = [[_work_left(*planned, store) for planned in job] for job, _ in jobs]
    with (
        _distributing(backend, scheduler, workers) as at_a_time,
        Display(store, left, at_a_time) as display,
    ):
        waiting = dict(enumerate(jobs))
        while waiting:
            work = (
                delayed(_supervise)(number, job, store.folder.resolve(), how, plugins)
                for number, (job, how) in list(waiting.items())
            )
            parallel = Parallel(workers, return_as="generator_unordered", batch_size=1)
            for number, ended in parallel(work):
                if ended is None:
                    continue
                for (run, evaluations), status in zip(waiting.pop(number)[0], ended, strict=True):
                    display.finished(run, evaluations, status)
                    ends[run.key] = status
            time.sleep(RETRY if waiting else 0)
    return ends


def _supervise(
    number: int, job: Planned, folder: Path, how: Execution, plugins: set[str]
) -> tuple[int, list[str] | None]:
    """How each run of a job ended; None if another sweep is at it, or all is to stop."""
    try:
        with supervised() as process:
            return number, process.call(_execute, job, folder, how, plugins, timeout=how.timeout)
    except StoppedError:
        return number, None
    except UsageError:  # nothing can be executed so
        raise
    except Exception as error:  # whatever it is, it costs this job only
        load_plugins(plugins)  # a worker of a cluster is a process of its own
        give_up(job, folder, "timeout" if isinstance(error, TooLongError) else "failed", error)
        return number, statuses(job, Store(folder))


def _execute(job: Planned, folder: Path, how: Execution, plugins: set[str]) -> list[str] | None:
    load_plugins(plugins)
    return execute(job, folder, how)


def _work_left(run: Run, evaluations: list[Evaluation], store: Store) -> Work:
    trained = (store.run_folder(run.key) / WEIGHTS).exists()
    left = len(unfinished(run, evaluations, store))
    return Work(run, 0 if trained else run.training.updates, left)


@contextmanager
def _distributing(backend: str, scheduler: str | None, workers: int) -> Iterator[int]:
    """How joblib hands out work; gives the number of jobs that are executed at a time.

    Raises UsageError if there is no such cluster, or it loses its workers.
    """
    if backend == "loky":
        with parallel_config("threading"):  # a thread for every process that it watches
            yield workers
        return
    try:
        from dask.distributed import Client, KilledWorker
    except ImportError as error:
        raise UsageError("--backend dask needs Dask: pip install -e '.[dask]'.") from error
    try:
        client = Client(scheduler, timeout=SCHEDULER_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"There is no Dask scheduler at {scheduler}: {error}.") from error
    try:
        with client:
            client.wait_for_workers(1, timeout=WORKERS_COME)
            with parallel_config("dask", client=client):
                yield sum(client.nthreads().values())
    except TimeoutError as error:
        raise UsageError(f"No Dask worker came to {scheduler} in {WORKERS_COME} s.") from error
    except KilledWorker as error:
        raise UsageError(
            f"The cluster lost one worker after the other that was at the same run ({error}); what "
            "is finished is kept, and the same command goes on from there."
        ) from error


def check_backend(backend: str, scheduler: str | None, jobs: int | None) -> None:
    """Raise UsageError for a backend that there is not, or options that do not fit it."""
    if backend not in BACKENDS:
        raise unknown("backend", backend, BACKENDS)
    if (backend == "dask") != (scheduler is not None):
        raise UsageError("--backend dask and --scheduler ADDRESS go together.")
    if backend == "dask" and jobs is not None:
        raise UsageError(
            "--jobs is not for a cluster: it runs as many as its workers have threads."
        )
