"""What the command lines share: the user's mistakes end in a sentence and exit code 2."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from benchmarks.errors import UsageError


def run_command(function: Callable[..., Any], arguments: list[str] | None = None) -> None:
    """Run ``function`` as a command line, with the program's arguments unless others are given."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(function)
    try:
        app(arguments)
    except UsageError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
