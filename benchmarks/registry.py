"""Which tasks and methods there are, the built-in ones and those of plugins.

A plugin is a module with a list METHODS, a list TASKS or both, of classes. It is installed, with an
entry point in the group GROUP, or named by ``--plugin``.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterable
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

from baselines.feedforward import Feedforward, FeedforwardEdge
from baselines.ired import IRED
from baselines.iterative import Iterative, IterativeEdge
from baselines.ponder import Ponder, PonderEdge
from baselines.programmatic import Programmatic
from baselines.recurrent import Recurrent, RecurrentEdge, RecurrentWide
from baselines.structured import FeedforwardStructured, RecurrentStructured
from baselines.trivial import (
    Trivial,
    TrivialConstant,
    TrivialCopy,
    TrivialEntrySize,
    TrivialLinear,
    TrivialQuadratic,
    TrivialRow,
)
from benchmarks.errors import UsageError, unknown
from benchmarks.text import check_name
from irem_core.irem import IREM
from irem_core.irem_structured import IREMStructured
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

GROUP = "irem_bench"

TASKS: dict[str, Any] = {
    cls.name: cls
    for cls in (Addition, Completion, Inverse, EdgeCopy, ConnectedComponents, ShortestPath)
}

TRIVIAL: tuple[type[Trivial], ...] = (
    TrivialConstant,
    TrivialCopy,
    TrivialLinear,
    TrivialQuadratic,
    TrivialEntrySize,
)
"""The rungs of the ladder of trivial predictors that skill is held against."""

BUILT_IN: tuple[type[Method], ...] = (
    IREM,
    IREMStructured,
    RecurrentStructured,
    FeedforwardStructured,
    IRED,
    Feedforward,
    FeedforwardEdge,
    Recurrent,
    RecurrentEdge,
    RecurrentWide,
    Iterative,
    IterativeEdge,
    Ponder,
    PonderEdge,
    Programmatic,
    *TRIVIAL,
    TrivialRow,
)
METHODS = {cls.name: cls for cls in BUILT_IN}


ADDED: dict[str, str] = {}
"""The methods and tasks of plugins, and the module of each."""


def load_plugins(names: Iterable[str] | None = None) -> None:
    """Register what installed plugins add, and then modules by name; once is enough.

    Raises UsageError if one cannot be imported, adds nothing, or takes a name that there is.
    """
    installed = [entry.module for entry in entry_points(group=GROUP)]
    for name in [*installed, *(names or ())]:
        try:
            module = importlib.import_module(name)
        except (Exception, SystemExit) as error:  # whatever it does, its user can mend it
            raise UsageError(
                f"The plugin {name!r} cannot be imported: {type(error).__name__}: {error}. It must "
                "be a module that Python finds, here or installed."
            ) from error
        _register(module)


def _register(module: ModuleType) -> None:
    adds = [(METHODS, cls) for cls in _classes(module, "METHODS", Method)]
    adds += [(TASKS, cls) for cls in _classes(module, "TASKS", object)]
    if not adds:
        raise UsageError(
            f"The plugin {module.__name__!r} adds nothing: it needs METHODS = [...] or "
            "TASKS = [...], lists of classes."
        )
    for registered, cls in adds:
        if registered.get(cls.name) is cls:
            continue
        if cls.name in METHODS or cls.name in TASKS:
            raise UsageError(
                f"The plugin {module.__name__!r} adds {cls.name!r}, which there is already."
            )
        registered[cls.name] = cls
        ADDED[cls.name] = module.__name__


def _classes(module: ModuleType, table: str, kind: type) -> list[Any]:
    """The classes that a plugin lists, each with a name."""
    listed = getattr(module, table, [])
    classes = list(listed) if isinstance(listed, list | tuple) else [listed]
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, kind)):
            raise UsageError(
                f"The plugin {module.__name__!r}: {table} must list subclasses of {kind.__name__}, "
                f"not {cls!r}."
            )
        check_name(f"{cls!r} of the plugin {module.__name__!r}", getattr(cls, "name", None))
    return classes


def task_named(name: str) -> Any:
    """The class of a task. Raises UsageError for an unknown name."""
    if name not in TASKS:
        raise unknown("task", name, TASKS, "One of a plugin needs --plugin.")
    return TASKS[name]


def method_named(name: str) -> type[Method]:
    """The class of a method. Raises UsageError for an unknown name."""
    if name not in METHODS:
        raise unknown("method", name, METHODS, "One of a plugin needs --plugin.")
    return METHODS[name]


def learns(name: str) -> bool:
    """Whether a method of results was trained; answers from elsewhere are taken to be."""
    return METHODS[name].learns if name in METHODS else True


def expand_methods(names: Iterable[str]) -> list[str]:
    """Method names as they are registered: a bare ``trivial`` means every trivial predictor."""
    trivial = [cls.name for cls in TRIVIAL] + [TrivialRow.name]
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
    training = vars(Training()) if method.learns else {}
    settings = training | method_settings(method)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}  # as in JSON
