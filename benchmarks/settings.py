"""Hyperparameters: from a preset or ``--set`` to one complete, checked set for each method.

Settings are a table of names and values. A name counts for every method that has it; a table under
a method's name counts for that method alone and goes first. A table under a task's name gives
values of that task.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError, unknown
from benchmarks.registry import METHODS, TASKS, default_settings

PROTOCOL = Path(__file__).parent / "presets" / "paper.toml"

Settings = dict[str, Any]


def parse_assignments(assignments: Iterable[str]) -> Settings:
    """``["hidden=64", "irem.step_size=50"]`` as a table; values are written as in TOML."""
    parsed: Settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--set takes name=value, not {assignment!r}.")
        method, _, own = name.strip().rpartition(".")
        table = parsed.setdefault(method, {}) if method else parsed
        if not isinstance(table, dict) or isinstance(table.get(own), dict):
            raise UsageError(f"--set {assignment}: {method or own} is not a setting of its own.")
        table[own] = _value(text.strip())
    return parsed


def check_names(settings: Settings) -> None:
    """Raise UsageError for a setting that no method has, or a table of no method and no task."""
    everything = {name for method in METHODS.values() for name in default_settings(method)}
    for name, value in settings.items():
        if isinstance(value, Mapping) or name in METHODS or name in TASKS:
            if not isinstance(value, Mapping):
                raise UsageError(f"{name!r} is no setting; write {name}.SETTING = {value!r}.")
            own = _settings_under(name)
            for inner in value:
                if inner not in own:
                    raise unknown(f"setting of {name}", inner, own)
        elif name not in everything:
            raise unknown("setting", name, everything)


def settings_for(method: str, domain: str, layers: Sequence[Settings]) -> Settings:
    """All settings of a method: the protocol's, overlaid by one layer after the other.

    In a layer, what is said for the method goes before what is said for all. Raises UsageError for
    a value of another kind than the protocol's.
    """
    complete = protocol_settings(method, domain)
    for layer in layers:
        said = _said_for(method, layer)
        complete |= {
            name: like_default(name, said[name], value)
            for name, value in complete.items()
            if name in said
        }
    return complete


def protocol_settings(method: str, domain: str) -> Settings:
    """The paper's settings of a method: its defaults and what the preset ``paper`` says of them."""
    layers = [_protocol().get("settings", {}), _protocol()[domain].get("settings", {})]
    said = {name: value for layer in layers for name, value in _said_for(method, layer).items()}
    defaults = default_settings(METHODS[method])
    return {name: said.get(name, default) for name, default in defaults.items()}


def _said_for(method: str, layer: Settings) -> Settings:
    """What a layer says for a method: what it says for this one goes before what for all."""
    return {**layer, **layer.get(method, {})}


@cache
def _protocol() -> dict[str, Any]:
    return tomllib.loads(PROTOCOL.read_text(encoding="utf-8"))


def task_settings(task: str, layers: Sequence[Settings]) -> Settings:
    """The values that are set for a task."""
    return {name: value for layer in layers for name, value in layer.get(task, {}).items()}


def _settings_under(name: str) -> Settings:
    """What can be set in a table of this name: a method's settings or a task's values."""
    if name in METHODS:
        return default_settings(METHODS[name])
    if name in TASKS:
        return {field.name: field.default for field in fields(TASKS[name])}
    raise unknown("method or task in the settings", name, [*METHODS, *TASKS])


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text  # a bare word, as in dtype=float64


def like_default(name: str, value: Any, default: Any) -> Any:
    """``value`` if it is of the default's type; a whole number will do for any number."""
    if isinstance(default, list) and isinstance(value, list):
        return [like_default(name, each, 0.0) for each in value]
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default):
        expected: dict[type, str] = {bool: "true or false", int: "a whole number"}
        expected |= {float: "a number", list: "numbers in brackets"}
        kind = expected.get(type(default), "a word")
        raise UsageError(f"Setting {name!r} takes {kind}, not {value!r}.")
    return value
