"""Results that nobody measured, with errors that a test chooses."""

import json
import threading
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.evaluation import Trace, rows
from benchmarks.execute import columns
from benchmarks.figures import write_figures
from benchmarks.provenance import provenance
from benchmarks.references import Reference
from benchmarks.runs import Evaluation, Run
from benchmarks.store import EXAMPLES, TRACE, Store
from benchmarks.supervise import supervised
from benchmarks.sweep import default_jobs
from irem_core.tasks import Addition

STEPS = (1, 2, 4)
PROBLEMS = 40


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """``made_up(errors)`` writes a folder of results and returns it.

    errors: by method and seed, means after 0..4 steps, or [5, B]. They are held against a trivial
    error of 1 and a best one of 0; a step of the first method costs ``flops`` operations, of each
    further one half of them more.
    """

    def write(
        errors,
        task=None,
        size=3,
        difficulty="harder",
        energies=None,
        steps=STEPS,
        folder="made",
        flops=100.0,
        updates=5,
        settings=None,
        hardness=None,
    ):
        store, task = Store(tmp_path / folder), task or Addition(size=size)
        store.prepare()
        methods = [*dict.fromkeys(method for method, _ in errors)]
        for (method, seed), means in errors.items():
            times = 1 + methods.index(method) / 2
            run = Run(method, task, {"made": "up"} | (settings or {}), seed)
            own = None if energies is None else energies.get((method, seed))
            made = replace(trace(means, own, flops * times, 0.01 * times), hardness=hardness)
            evaluation = Evaluation(size, difficulty, made.errors.shape[1], steps)
            about = columns(method, task, seed, settings or {}, run.key, evaluation)
            about |= provenance(None, "float32")
            about |= {"train_iterations": updates, "train_seconds": 1.0, "parameters": 7}
            written = [about | row for row in rows(made, evaluation)]
            frames = {TRACE: made.frame(), EXAMPLES: examples(made.errors[:, 0], size, task)}
            store.write_evaluation(run.key, evaluation.key(task), written, frames)
            config = store.run_folder(run.key) / "config.json"
            config.write_text(json.dumps(run.config()), encoding="utf-8")
        store.collect()
        return store.folder

    held_against = Reference(mse_trivial=1.0, mse_row=0.5, mse_best=0.0, mse_best_uncertainty=0.0)
    monkeypatch.setattr("benchmarks.references.reference", lambda name: held_against)
    return write


def trace(means, energies, flops, seconds):
    errors = np.asarray(means, dtype=float)
    if errors.ndim == 1:  # harder and easier problems, the same for every method
        hardness = np.random.default_rng(0).uniform(0.5, 1.5, PROBLEMS)
        errors = errors[:, None] * hardness / hardness.mean()
    return Trace(
        errors=errors,
        solved=errors <= 0.01,
        energies=None if energies is None else np.asarray(energies, dtype=float),
        flops=flops * np.arange(len(errors)),
        seconds=seconds * np.arange(len(errors)),
        examples=pd.DataFrame(),
    )


def examples(errors, size, task):
    """One problem of ones, and answers that are wrong everywhere alike."""
    right = np.ones(size * size, dtype=np.float32)
    answers = [
        ("answer", t, (right + error**0.5).astype(np.float32)) for t, error in enumerate(errors)
    ]
    given = [("input", 0, np.tile(right, task.n_in // task.n_out)), ("target", 0, right), *answers]
    return pd.DataFrame([{"problem": 0, "kind": k, "step": t, "values": v} for k, t, v in given])


class SameProcess:
    """Stands in for a supervised process: what is called runs in the process of the test."""

    def call(self, function, *arguments, timeout=None):
        assert timeout is None, "a time limit needs a process: mark the test with 'processes'"
        assert threading.current_thread() is threading.main_thread(), "mark it with 'processes'"
        return function(*arguments)


def arrange(node, patch):
    """Let sweeps start processes in tests marked ``processes``, and draw in those marked ``draws``.

    Both take longer than what most tests sweep.
    """
    processes, draws = (node.get_closest_marker(name) for name in ("processes", "draws"))
    stand_in = nullcontext(SameProcess())
    patch.setattr("benchmarks.distribute.supervised", supervised if processes else lambda: stand_in)
    patch.setattr("benchmarks.sweep.default_jobs", default_jobs if processes else lambda *_: 1)
    patch.setattr("benchmarks.pipeline.write_figures", write_figures if draws else draw_nothing)


def draw_nothing(folder, jobs):
    return []


@pytest.fixture(autouse=True, scope="module")
def arranged_module(request):
    """For the fixtures of a module, by the marks of the module."""
    with pytest.MonkeyPatch.context() as patch:
        arrange(request.node, patch)
        yield


@pytest.fixture(autouse=True)
def arranged(request, monkeypatch):
    """For a test, by the marks of the test and of its module."""
    arrange(request.node, monkeypatch)
