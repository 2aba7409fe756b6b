"""Presets: what a sweep covers, as data. The named ones are the TOML files in ``presets/``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from benchmarks.errors import UsageError, unknown
from benchmarks.inference import Inference
from benchmarks.presets import FOLDER, named_presets
from benchmarks.registry import expand_methods, task_named
from benchmarks.settings import Settings, check_names

DOMAINS = ("matrix", "graph")

Count = Annotated[int, Field(ge=1, strict=True)]
Counts = Annotated[list[Count], Field(min_length=1)]
Names = Annotated[list[str], Field(min_length=1)]
Level = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Named = Annotated[str, Field(pattern=r"^[a-z_]+=[0-9.]+(e-?[0-9]+)?$")]
Difficulty = Literal["same", "harder"] | Level | Named


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: Settings = {}

    @field_validator("settings")
    @classmethod
    def _known_settings(cls, settings: Settings) -> Settings:
        check_names(settings)
        return settings


class Domain(_Table):
    """What is swept for the tasks of one domain: sizes, numbers of steps, settings of its own."""

    sizes: Counts
    steps: Counts


class Matrices(Domain):
    """The sizes of matrices are those trained on, a run each.

    test_sizes: what methods whose parameters fit any size are tested on beside their own.
    """

    test_sizes: list[Count] = []


class Preset(_Table):
    """A sweep: every task with every method, seed, size, difficulty and number of steps.

    problems: test problems of an evaluation.
    variants: settings that runs differ in, one after the other; they go before all others here.
    tests: other ways in which every run is tested that can be, beside the usual one.
    """

    tasks: Names
    methods: Names
    difficulties: Annotated[list[Difficulty], Field(min_length=1)]
    seeds: Count
    problems: Annotated[int, Field(ge=2, strict=True)]
    matrix: Matrices
    graph: Domain
    variants: Annotated[list[Settings], Field(min_length=1)] = [{}]
    tests: list[Annotated[Inference, BeforeValidator(Inference.said)]] = []

    @field_validator("variants")
    @classmethod
    def _known_variants(cls, variants: list[Settings]) -> list[Settings]:
        for variant in variants:
            check_names(variant)
        return variants

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, tasks: list[str]) -> list[str]:
        for task in tasks:
            task_named(task)
        return list(dict.fromkeys(tasks))

    @field_validator("methods")
    @classmethod
    def _known_methods(cls, methods: list[str]) -> list[str]:
        return expand_methods(methods)

    def section(self, domain: str) -> Domain:
        """What is swept for the tasks of a domain."""
        section: Domain = getattr(self, domain)
        return section


def read_preset(name: str, smoke: bool = False) -> dict[str, Any]:
    """The table of a preset, by its name or by the path of a TOML file, not checked yet.

    ``base`` names another preset, of which it says what is different. With ``smoke`` it is as tiny
    as the preset smoke, with what the preset itself says under ``smoke`` for that; the whole preset
    is checked before. Raises UsageError if there is no such file, it is not TOML, or fails that.
    """
    table = _read(name)
    own = table.pop("smoke", {})
    if not isinstance(own, dict):
        raise UsageError(f"Preset {name!r}: smoke must be a table, not {own!r}.")
    if not smoke:
        return table
    checked(table)  # what is wrong with it may not show under what is tiny
    tiny = _tiny()
    return _overlaid(_overlaid(_without_own(table, tiny["settings"]), tiny), own)


def _without_own(table: dict[str, Any], names: Settings) -> dict[str, Any]:
    """The table of a preset in which no method has settings of its own that have these names."""
    settings = {
        name: {n: v for n, v in value.items() if n not in names}
        if isinstance(value, dict)
        else value
        for name, value in table.get("settings", {}).items()
    }
    sections = {name: _without_own(table[name], names) for name in DOMAINS if name in table}
    return table | {"settings": settings} | sections


def _tiny() -> dict[str, Any]:
    """How small the preset smoke is, whatever it covers."""
    table = _read("smoke")
    settings = table["settings"]
    sections = {name: table[name] | {"settings": settings} for name in DOMAINS}
    return {
        "seeds": table["seeds"],
        "problems": table["problems"],
        "settings": settings,
        **sections,
    }


def _read(name: str) -> dict[str, Any]:
    """The table of a file, on that of its base."""
    path = FOLDER / f"{name}.toml" if name in named_presets() else Path(name)
    if not path.is_file():
        raise unknown("preset", name, [*named_presets(), "the path of a TOML file"])
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # editors may add a mark
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"Preset {name!r} cannot be read as TOML: {error}.") from error
    base = table.pop("base", None)
    if base is None:
        return table
    if not isinstance(base, str) or base not in named_presets() or base == name:
        raise unknown("base of a preset", str(base), [p for p in named_presets() if p != name])
    below = _read(base)
    tiny = below.get("smoke", {})
    below["smoke"] = {name: value for name, value in tiny.items() if name not in table}
    return _overlaid(below, table)


def _overlaid(table: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A table with changes, table by table."""
    tables = {
        name: _overlaid(table[name], value)
        for name, value in changes.items()
        if isinstance(value, dict) and isinstance(table.get(name), dict)
    }
    return table | changes | tables


def checked(table: dict[str, Any]) -> Preset:
    """The preset that a table says. Raises UsageError for what cannot be run."""
    try:
        return Preset.model_validate(table)
    except ValidationError as errors:
        sentences = dict.fromkeys(_sentence(error) for error in errors.errors())
        raise UsageError(" ".join(sentences)) from errors


def _sentence(error: Any) -> str:
    """What pydantic found, as a user would say it."""
    place = [str(part) for part in error["loc"]]
    name, value = ".".join(part for part in place if not part.isdigit()), error["input"]
    limits = error.get("ctx", {})
    if "error" in limits:
        return str(limits["error"])
    if place[0] == "difficulties" and error["type"] != "missing":
        levels = ["same", "harder", "a positive number", "NAME=NUMBER"]
        return str(unknown("difficulty", str(value), levels))
    if error["type"] == "extra_forbidden":
        return str(unknown("key", place[-1], [*Preset.model_fields, *Matrices.model_fields]))
    wrong = {
        "missing": "is missing",
        "too_short": "must name at least one",
        "greater_than_equal": f"must be at least {limits.get('ge')}, not {value!r}",
    }
    return f"{name} {wrong.get(error['type'], f'cannot be {value!r}: ' + error['msg'])}."
