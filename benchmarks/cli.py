"""What the command lines share: what the user can mend ends in a sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer

from benchmarks.errors import UsageError
from benchmarks.output import unfailing_output

Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", metavar="MODULE", help="A module that adds methods or tasks."),
]


def numbers(option: str, text: str) -> list[int]:
    """Positive whole numbers separated by commas. Raises UsageError for anything else."""
    try:
        found = [int(number) for number in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise UsageError(
            f"{option} takes whole numbers from 1 on, separated by commas, not {text!r}."
        )
    return found


def run_command(function: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Run ``function`` as a command line, with the program's arguments unless others are given."""
    run_app(app_of(function), arguments)


def app_of(function: Callable[..., Any]) -> typer.Typer:
    """The command line whose options are the parameters of ``function``."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    return app


def run_app(app: typer.Typer, arguments: list[str] | None = None) -> None:
    """Run a command line, with the program's arguments unless others are given."""
    with unfailing_output():
        try:
            app(arguments)
        except UsageError as error:
            _fail(str(error))
        except OSError as error:  # a folder that may not be written, a disk that is full
            where = f"{error.filename}: " if error.filename else ""
            _fail(f"{where}{error.strerror or error}.")


def _fail(sentence: str) -> NoReturn:
    print(f"Error: {sentence}", file=sys.stderr)
    sys.exit(2)
