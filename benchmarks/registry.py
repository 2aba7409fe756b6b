"""Which tasks and methods there are: a new one is added to its line here."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from baselines.feedforward import Feedforward, FeedforwardEdge
from baselines.trivial import TrivialConstant, TrivialCopy, TrivialLinear, TrivialQuadratic
from benchmarks.errors import unknown
from irem_core.irem import IREM
from irem_core.method import Method
from irem_core.tasks import (
    Addition,
    Completion,
    ConnectedComponents,
    EdgeCopy,
    Inverse,
    ShortestPath,
)
from irem_core.trainer import Training

TASKS = {
    cls.name: cls
    for cls in (Addition, Completion, Inverse, EdgeCopy, ConnectedComponents, ShortestPath)
}

TRIVIAL = (TrivialConstant, TrivialCopy, TrivialLinear, TrivialQuadratic)

METHODS: dict[str, type[Method]] = {
    cls.name: cls for cls in (IREM, Feedforward, FeedforwardEdge, *TRIVIAL)
}


def task_named(name: str) -> Any:
    """The class of a task. Raises UsageError for an unknown name."""
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def method_named(name: str) -> type[Method]:
    """The class of a method. Raises UsageError for an unknown name."""
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def expand_methods(names: Iterable[str]) -> list[str]:
    """Method names as they are registered: a bare ``trivial`` means every trivial predictor."""
    trivial = [cls.name for cls in TRIVIAL]
    expanded = [each for name in names for each in (trivial if name == "trivial" else [name])]
    for name in expanded:
        method_named(name)
    return list(dict.fromkeys(expanded))


def method_settings(method: type[Method]) -> dict[str, Any]:
    """A method's own settings with their defaults: the keyword arguments of its constructor."""
    parameters = inspect.signature(method).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def default_settings(method: type[Method]) -> dict[str, Any]:
    """Everything that can be set for a method: how it is trained, if it learns, and its own."""
    training = {field.name: field.default for field in fields(Training)} if method.learns else {}
    return training | method_settings(method)
