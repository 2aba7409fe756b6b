"""Training runs and evaluations, and the keys that name them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.preset import Preset
from benchmarks.registry import (
    METHODS,
    default_settings,
    method_named,
    method_settings,
    task_named,
)
from benchmarks.settings import Settings, settings_for
from irem_core.method import Method
from irem_core.streams import seeded_parameters
from irem_core.tasks import MatrixTask
from irem_core.trainer import Training

PROTOCOL = 1  # raised when the same run gives other results


@dataclass(frozen=True)
class Run:
    """One training run: everything that decides its parameters is here.

    settings: all of them, those of training and those of the method.
    """

    method: str
    task: MatrixTask
    settings: Settings
    seed: int

    @property
    def key(self) -> str:
        """A hash of what decides the result, the same in whatever order it was said."""
        return _hash(self.config())

    def config(self) -> dict[str, Any]:
        """The run as JSON: what its key is the hash of, and what ``from_config`` reads."""
        return {
            "method": self.method,
            "version": METHODS[self.method].version,
            "protocol": PROTOCOL,
            "task": {"name": self.task.name, **asdict(self.task)},
            "settings": self.settings,
            "seed": self.seed,
        }

    @staticmethod
    def from_config(config: dict[str, Any]) -> Run:
        """The run that ``config`` describes. Raises UsageError if its method or task is unknown."""
        method_named(config["method"])
        values = dict(config["task"])
        task = task_named(values.pop("name"))(**values)
        return Run(config["method"], task, config["settings"], config["seed"])

    @property
    def training(self) -> Training:
        """How the run trains."""
        names = {field.name for field in fields(Training)}
        return Training(**{name: v for name, v in self.settings.items() if name in names})

    @property
    def dtype(self) -> str:
        """Of its parameters and problems; what does not learn has nothing to gain from less."""
        return self.settings.get("dtype", "float64")

    def untrained(self) -> Method:
        """The method with the parameters that it starts from, on the CPU."""
        cls = METHODS[self.method]
        with seeded_parameters(self.seed):
            return cls(self.task, **{name: self.settings[name] for name in method_settings(cls)})

    def unusual_settings(self) -> Settings:
        """The settings that differ from the protocol's."""
        usual = default_settings(METHODS[self.method])
        return {name: value for name, value in self.settings.items() if value != usual[name]}


@dataclass(frozen=True)
class Evaluation:
    """How a run is tested: ``problems`` test problems of one difficulty.

    steps: the step budgets that get a row of results; the trace has every step up to the largest.
    """

    difficulty: str | float
    problems: int
    steps: tuple[int, ...]

    def with_steps(self, steps: Iterable[int]) -> Evaluation:
        """The same evaluation with more budgets."""
        return replace(self, steps=tuple(sorted({*self.steps, *steps})))

    def key(self, task: MatrixTask) -> str:
        """Names the evaluation of a run of ``task``, whatever its budgets."""
        return _hash(
            {
                "task": repr(task.at(self.difficulty)),
                "difficulty": self.difficulty,
                "problems": self.problems,
            }
        )


def plan(preset: Preset) -> list[tuple[Run, list[Evaluation]]]:
    """Every run of a preset with its evaluations.

    Raises UsageError if a method cannot be made with its settings, or no method fits a task.
    """
    planned = [each for task in preset.tasks for each in _plan_task(preset, task_named(task))]
    for run in {(run.method, run.task.name): run for run, _ in planned}.values():
        _check(run)
    if not planned:
        raise UsageError(f"None of {preset.methods} can be asked any of {preset.tasks}.")
    return planned


def _plan_task(preset: Preset, cls: type[MatrixTask]) -> Iterator[tuple[Run, list[Evaluation]]]:
    section = preset.domain(cls.domain)
    steps = tuple(sorted(set(section.steps)))
    difficulties = dict.fromkeys(preset.difficulties)
    evaluations = [Evaluation(difficulty, preset.problems, steps) for difficulty in difficulties]
    for size in dict.fromkeys(section.sizes):
        task = cls(size)
        for name in preset.methods:
            method = METHODS[name]
            settings = settings_for(name, section.settings)
            if method.answers_task(task):
                for seed in range(preset.seeds if method.learns else 1):
                    yield Run(name, task, settings, seed), evaluations


def _check(run: Run) -> None:
    """Make the method once, so that a setting that it refuses is known before anything runs."""
    try:
        if METHODS[run.method].learns:
            run.training.check(run.untrained())
    except ValueError as error:
        raise UsageError(f"{run.method}: {error}") from error


def _hash(description: dict[str, Any]) -> str:
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
