"""What the command lines share: the user's mistakes end in a sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from benchmarks.errors import UsageError
from irem_core.checks import at_least

Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="MODULE", help="A module that adds methods or tasks."),
]


def numbers(option: str, text: str) -> list[int]:
    """Positive whole numbers separated by commas. Raises UsageError for anything else."""
    try:
        found = [int(number) for number in text.split(",")]
        at_least(1, number=min(found))
    except ValueError as error:
        raise UsageError(
            f"{option} takes whole numbers from 1 on, separated by commas, not {text!r}."
        ) from error
    return found


def run_command(function: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Run ``function`` as a command line, with the program's arguments unless others are given."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    run_app(app, arguments)


def run_app(app: typer.Typer, arguments: list[str] | None = None) -> None:
    """Run a command line, with the program's arguments unless others are given."""
    try:
        app(arguments)
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
