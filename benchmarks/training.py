"""Trained methods: made, kept in the folder of their run, and brought back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError

from benchmarks.errors import UsageError, unknown
from benchmarks.memory import HighWater
from benchmarks.provenance import provenance
from benchmarks.registry import METHODS
from benchmarks.runs import Run
from benchmarks.store import set_aside
from irem_core import engine
from irem_core.checkpoint import (
    CONFIG,
    WEIGHTS,
    read_tensors,
    save_method,
    write_config,
    write_whole,
)
from irem_core.method import Method
from irem_core.precision import DTYPES
from irem_core.trainer import CurvePoint, DivergedError, Trainer, Training

UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RuntimeError,
    SafetensorError,
)
"""What reading a file of another kind, or half of one, can raise."""


DEVICES = ("auto", "cpu", "cuda")

CURVE = "curve.csv"


@dataclass(frozen=True)
class Execution:
    """Where and how runs are executed: it decides rounding, time and memory, not what is computed.

    device: ``auto``, ``cpu`` or ``cuda``, of the machine that executes.
    threads: of a run; None leaves them as they are.
    timeout: in seconds, of a run, or all that are trained together; their process is killed then.
    began: when the sweep did. What another one found since that it could not finish is not tried
        again.
    """

    device: str = "cpu"
    threads: int | None = None
    engine: str = "eager"
    timeout: float | None = None
    began: str = ""

    @property
    def place(self) -> torch.device:
        """The device, here. Raises UsageError if it is not there."""
        there = torch.cuda.is_available()
        if self.device == "cuda" and not there:
            raise UsageError("There is no CUDA device here; use --device cpu or auto.")
        return torch.device("cuda" if there and self.device != "cpu" else "cpu")


def checked_device(name: str) -> str:
    """The name, if it is one. Raises UsageError otherwise."""
    if name not in DEVICES:
        raise unknown("device", name, DEVICES)
    return name


def trained(
    run: Run,
    folder: Path,
    how: Execution,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Method, dict[str, Any]]:
    """The run's method with its trained parameters, from ``folder`` if they are there.

    Also what results say of the training. A training run that was cut off goes on. Raises
    DivergedError if a loss or a validation error is not finite.
    """
    if not is_trained(run, folder):
        for error in train([run], [folder], how, progress).values():
            raise error
    return load(folder, how.place)


def is_trained(run: Run, folder: Path) -> bool:
    """Whether the folder holds the finished method of a run. What is damaged is set aside."""
    files = (folder / WEIGHTS, folder / CONFIG)
    if not all(file.exists() for file in files):
        return False
    try:
        load(folder)
        if (
            Run.from_config(json.loads((folder / CONFIG).read_text(encoding="utf-8"))).key
            == run.key
        ):
            return True
        why = "is of another run"
    except UsageError as error:
        why = f"cannot be read ({error})"
    for file in files:
        set_aside(file, why)
    return False


def load(folder: Path, device: torch.device | str = "cpu") -> tuple[Method, dict[str, Any]]:
    """A finished method from its folder. Raises UsageError if there is none that can be read."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        parameters, _ = read_tensors(folder / WEIGHTS)
        run = Run.from_config(config)
        method = run.untrained().to(device, DTYPES[run.dtype])
        method.load_state_dict(parameters)
        return method.eval(), config["training"]
    except UNREADABLE as error:
        raise UsageError(f"{folder} holds no trained method: {error}.") from error


def train(
    runs: Sequence[Run], folders: Sequence[Path], how: Execution, progress: Callable[[int], None]
) -> dict[str, DivergedError]:
    """Train runs that differ in their seeds alone, all at once, and keep those that end well.

    Each is trained with every learning rate, and the parameters with the least validation error
    are taken. Returns what went wrong with the others, by key.
    """
    for run, folder in zip(runs, folders, strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        write_config(folder, run.config())
    memory = HighWater(how.place)
    candidates = runs[0].training.candidates if METHODS[runs[0].method].learns else []
    trainers: list[list[Trainer]] = [[] for _ in runs]
    diverged: dict[Trainer, DivergedError] = {}
    for i, training in enumerate(candidates):
        states = [_state(folder, training) for folder in folders]
        each = [_resumed(run, training, how, s) for run, s in zip(runs, states, strict=True)]
        before = i * training.train_iterations
        diverged |= engine.train(each, how.engine, states, _after(before, progress))
        for own, trainer in zip(trainers, each, strict=True):
            own.append(trainer)
    failed = {}
    for run, folder, own in zip(runs, folders, trainers, strict=True):
        if own and all(trainer in diverged for trainer in own):
            failed[run.key] = diverged[own[-1]]
        else:
            about = {"peak_bytes": memory.read(), **provenance(how.place, run.dtype)}
            _keep(run, folder, own, diverged, about)
    return failed


def _resumed(run: Run, training: Training, how: Execution, state: Path) -> Trainer:
    """The training run where it was cut off, if it was."""

    def fresh() -> Trainer:
        return Trainer(run.untrained(), training, run.seed, how.place)

    trainer = fresh()
    try:
        if state.exists():
            trainer.load(state)
    except ValueError as error:
        set_aside(state, str(error))
        return fresh()
    return trainer


def _keep(
    run: Run,
    folder: Path,
    trainers: list[Trainer],
    diverged: dict[Trainer, DivergedError],
    about: dict[str, Any],
) -> None:
    """Write the method with the least validation error, and what is said of its training."""
    if not trainers:
        save_method(folder, run.untrained(), run.config() | {"training": {}})
        return
    fine = [trainer for trainer in trainers if trainer not in diverged]
    chosen = min(fine, key=lambda trainer: trainer.least_error)
    about = {
        "train_iterations": chosen.done,
        "train_seconds": sum(trainer.seconds for trainer in trainers),
        "learning_rate": chosen.training.learning_rate,
        "engine": "+".join(sorted(chosen.engines)),
        "together": chosen.together,
        "diverged": [str(diverged[trainer]) for trainer in trainers if trainer in diverged],
        **about,
    }
    write_whole(folder / CURVE, _curves(trainers).to_csv(index=False).encode())
    save_method(folder, chosen.method, run.config() | {"training": about})
    for trainer in trainers:
        _state(folder, trainer.training).unlink(missing_ok=True)


def _after(before: int, progress: Callable[[int], None]) -> Callable[[int], None]:
    """Progress of a training run that comes after others of so many updates."""
    return lambda done: progress(before + done)


def _curves(trainers: list[Trainer]) -> pd.DataFrame:
    columns = ["learning_rate", *(field.name for field in fields(CurvePoint))]
    points = [
        {"learning_rate": trainer.training.learning_rate, **vars(point)}
        for trainer in trainers
        for point in trainer.curve
    ]
    return pd.DataFrame(points, columns=columns)


def _state(folder: Path, training: Training) -> Path:
    return folder / f"state-{training.learning_rate!r}.safetensors"
