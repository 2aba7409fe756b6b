"""Training runs and evaluations, and the keys that name them."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch

from benchmarks.errors import UsageError
from benchmarks.inference import USUAL, Inference
from benchmarks.preset import Domain, Preset
from benchmarks.registry import (
    METHODS,
    default_settings,
    method_named,
    method_settings,
    task_named,
)
from benchmarks.settings import Settings, protocol_settings, settings_for, task_settings
from irem_core.method import Method
from irem_core.streams import seeded_parameters
from irem_core.trainer import Training
from irem_core.types import Task

log = logging.getLogger(__name__)

PROTOCOL = 2  # raised when the same run gives other results
NEUTRAL = {
    field.name: field.default
    for field in fields(Training)
    if field.name in ("from_size", "decay", "beta2", "clip", "average")
} | {"loss_per_problem": False}
"""Settings that there were not always: as they stand they change nothing, nor a key."""


@dataclass(frozen=True)
class Run:
    """One training run: everything that decides its parameters is here.

    settings: all of them, those of training and those of the method.
    """

    method: str
    task: Task
    settings: Settings
    seed: int

    def __str__(self) -> str:
        return f"{self.method} on {self.task}, seed {self.seed}"

    @cached_property
    def key(self) -> str:
        """A hash of what decides the result, the same in whatever order it was said."""
        return _hash(self.config())

    @property
    def family(self) -> str:
        """What it has in common with the runs that differ from it in their seeds alone."""
        return replace(self, seed=0).key

    def config(self) -> dict[str, Any]:
        """The run as JSON: what its key is the hash of, and what ``from_config`` reads."""
        return {
            "method": self.method,
            "version": METHODS[self.method].version,
            "protocol": PROTOCOL,
            "task": task_config(self.task),
            "settings": {k: v for k, v in self.settings.items() if NEUTRAL.get(k) != v},
            "seed": self.seed,
        }

    @staticmethod
    def from_config(config: dict[str, Any]) -> Run:
        """The run that ``config`` describes. Raises UsageError if its method or task is unknown."""
        method_named(config["method"])
        values = dict(config["task"])
        task = task_named(values.pop("name"))(**values)
        known = default_settings(METHODS[config["method"]])
        left_out = {name: value for name, value in NEUTRAL.items() if name in known}
        return Run(config["method"], task, left_out | config["settings"], config["seed"])

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
        """The settings and the values of the task that differ from the protocol's."""
        usual = protocol_settings(self.method, self.task.domain) | vars(type(self.task)())
        values = {k: v for k, v in vars(self.task).items() if k != "size"} | self.settings
        return {name: value for name, value in values.items() if value != usual[name]}


@dataclass(frozen=True)
class Evaluation:
    """How a run is tested: ``problems`` test problems of one size and difficulty.

    steps: the step budgets that get a row of results; the trace has every step up to the largest,
        which is what is within an expression solved with.
    parts: of an expression the runs that solve its other tasks.
    """

    size: int
    difficulty: str | float
    problems: int
    steps: tuple[int, ...]
    inference: Inference = USUAL
    parts: tuple[Run, ...] = ()

    def with_steps(self, steps: Iterable[int]) -> Evaluation:
        """The same evaluation with more budgets."""
        return replace(self, steps=tuple(sorted({*self.steps, *steps})))

    @property
    def settings(self) -> Settings:
        """How it asks, where that is not as usual, and what the parts were trained on."""
        parts = [str(run.task) for run in self.parts]
        return self.inference.unusual() | ({"parts": parts} if parts else {})

    def resized(self, task: Task) -> Settings:
        """What a run of ``task`` was trained on, where that is not the size of the matrices here.

        Graphs are of many sizes, which say so themselves.
        """
        other = task.domain == "matrix" and self.size != task.size
        return {"trained_size": task.size} if other else {}

    def asked(self, **changes: Any) -> Evaluation:
        """The same evaluation by another inference."""
        return replace(self, inference=replace(self.inference, **changes))

    def key(self, task: Task) -> str:
        """Names the evaluation of a run of ``task``, whatever its budgets.

        That of an expression has one budget, which decides what its problems are.
        """
        about: dict[str, Any] = {
            "task": str(task.test(self.size, self.difficulty)),
            "difficulty": self.difficulty,
            "problems": self.problems,
        }
        about |= {"inference": self.settings} if self.settings else {}
        about |= {"steps": self.steps[-1]} if self.inference.expression else {}
        return _hash(about)


Planned = list[tuple[Run, list[Evaluation]]]
"""Runs, each with what it is tested on."""


def external_key(method: str, task: Task, seed: int) -> str:
    """Names answers of a method that is not the suite's."""
    return _hash({"external": method, "task": str(task), "seed": seed, "protocol": PROTOCOL})


def plan(preset: Preset, said: Settings) -> Planned:
    """Every run of a preset with its evaluations; the settings ``said`` go before the preset's.

    Raises UsageError if a method cannot be made with its settings, or no method fits a task.
    """
    tasks = [task_named(name) for name in preset.tasks]
    for level in preset.difficulties:
        if not any(_concerns(cls(), level) for cls in tasks):
            raise UsageError(f"Difficulty {level!r} is a value of none of {preset.tasks}.")
    every = [each for cls in tasks for each in _plan_task(preset, cls, said)]
    runs = list({run.key: (run, each) for run, each in every}.values())  # alike in variants
    tests = _possible(preset.tests, preset.tasks)
    planned = [(run, _asked(run, each, tests, runs)) for run, each in runs]
    asked = [evaluation.inference for _, each in planned for evaluation in each]
    for inference in tests:
        if inference not in asked:
            raise UsageError(f"No run that is planned can be tested by {inference.unusual()}.")
    for run, _ in planned:
        if run.seed == 0:  # the others differ in it alone
            _check(run)
    if not planned:
        raise UsageError(f"None of {preset.methods} can be asked any of {preset.tasks}.")
    return planned


def _plan_task(
    preset: Preset, cls: type[Task], said: Settings
) -> Iterator[tuple[Run, list[Evaluation]]]:
    section = preset.section(cls.domain)
    for variant in preset.variants:
        layers = [preset.settings, section.settings, variant, said]
        yield from _plan_variant(preset, cls, section, layers)


def _plan_variant(
    preset: Preset, cls: type[Task], section: Domain, layers: list[Settings]
) -> Iterator[tuple[Run, list[Evaluation]]]:
    for task in _tasks(cls, section, task_settings(cls.name, layers)):
        own = section.sizes if cls.domain == "graph" else [task.size]
        evaluations = _evaluations(task, preset, section, own)
        if not evaluations:
            why = f"graphs of up to {task.size} nodes are 'same', larger ones 'harder'"
            why = why if cls.domain == "graph" else f"its levels are those of {task.levels()}"
            raise UsageError(
                f"{cls.name}: none of the sizes {section.sizes} is of difficulty "
                f"{preset.difficulties}; {why}."
            )
        larger = _evaluations(task, preset, section, getattr(section, "test_sizes", []))
        for name in preset.methods:
            method = METHODS[name]
            settings = settings_for(name, cls.domain, layers)
            asked = list(dict.fromkeys(evaluations + larger * method.any_size))
            if method.answers_task(task):
                for seed in range(preset.seeds if method.learns else 1):
                    yield Run(name, task, settings, seed), asked


def _tasks(cls: type[Task], section: Domain, values: Settings) -> list[Task]:
    """What is trained on: every size of a matrix apart, graphs of all sizes at once."""
    make: Any = cls
    try:
        if cls.domain == "graph":
            return [make(**values)]
        return [make(**{"size": size, **values}) for size in dict.fromkeys(section.sizes)]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{cls.name}: {error}") from error


def _evaluations(task: Task, preset: Preset, section: Domain, sizes: list[int]) -> list[Evaluation]:
    """What a task is tested on. The difficulty of graphs follows from their size."""
    tests: list[tuple[int, str | float]]
    if task.domain == "graph":
        difficulties = [(n, task.difficulty_of(n)) for n in sizes]
        tests = [(n, each) for n, each in difficulties if each in preset.difficulties]
    else:
        levels = [each for each in preset.difficulties if _concerns(task, each)]
        tests = [(n, each) for n in sizes for each in levels]
    steps = tuple(sorted(set(section.steps)))
    try:
        tested = {task.test(*test): test for test in reversed(tests)}  # the first name of each
    except ValueError as error:
        raise UsageError(f"{error}") from error
    return [Evaluation(*test, preset.problems, steps) for test in reversed(tested.values())]


def _concerns(task: Task, difficulty: str | float) -> bool:
    """Whether a level such as ridge=0.2 is one of a task; any other difficulty is."""
    name, equals, _ = str(difficulty).partition("=")
    return not equals or name in task.levels()


def _possible(tests: list[Inference], tasks: list[str]) -> list[Inference]:
    """Without those of which a task is not trained; the log says so."""
    lacking = [[name for name in inference.tasks if name not in tasks] for inference in tests]
    said = [
        f"{inference.expression or inference.unusual()} is not asked: it needs {', '.join(names)}"
        for inference, names in zip(tests, lacking, strict=True)
        if names
    ]
    for sentence in dict.fromkeys(said):
        log.warning(sentence)
    return [inference for inference, names in zip(tests, lacking, strict=True) if not names]


def _asked(
    run: Run, usual: list[Evaluation], tests: list[Inference], planned: Planned
) -> list[Evaluation]:
    """The usual evaluations of a run, and those by every other inference that suits it.

    Raises UsageError if what an expression needs is not among the runs that are planned.
    """
    asked = list(usual)
    for inference in tests:
        if inference.suits(run.method, run.task):
            parts = _parts(run, inference, [other for other, _ in planned])
            steps = slice(-1 if inference.expression else 0, None)
            asked += [
                replace(each, steps=each.steps[steps], inference=inference, parts=parts)
                for each in usual
                if _is_of_all(each.difficulty, parts)
            ]
    return asked


def _is_of_all(difficulty: str | float, parts: tuple[Run, ...]) -> bool:
    """Whether a difficulty says the same of the parts of an expression; a bare number does not."""
    bare = isinstance(difficulty, float)
    return not parts or not (bare or any(not _concerns(run.task, difficulty) for run in parts))


def _parts(run: Run, inference: Inference, planned: list[Run]) -> tuple[Run, ...]:
    """The runs that solve the other tasks of an expression: those that differ in the task alone."""
    parts = []
    for name in inference.tasks[1:]:
        like = [
            other
            for other in planned
            if other.task.name == name
            and (other.method, other.seed, other.task.size) == (run.method, run.seed, run.task.size)
            and other.settings == run.settings
        ]
        if len(like) != 1:
            raise UsageError(
                f"{inference.expression} needs {run.method} trained on {name} too, by the same "
                f"settings: {len(like)} such runs are planned."
            )
        parts += like
    return tuple(parts)


def _check(run: Run) -> None:
    """Make the method once, so that a setting that it refuses is known before anything runs."""
    try:
        if METHODS[run.method].learns:
            with torch.device("meta"):  # shapes without numbers, however large
                run.training.check(run.untrained())
    except ValueError as error:
        raise UsageError(f"{run.method}: {error}") from error


def task_config(task: Task) -> dict[str, Any]:
    """The name and size of a task, and its values that are not the default."""
    usual = vars(type(task)())
    values = {k: v for k, v in vars(task).items() if k == "size" or v != usual[k]}
    return {"name": task.name, **values}


def _hash(description: dict[str, Any]) -> str:
    canonical = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
