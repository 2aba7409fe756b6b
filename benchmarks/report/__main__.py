"""The command line of the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli import Plugins, run_command
from benchmarks.registry import load_plugins
from benchmarks.report import write_report


def report(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    plugins: Plugins = None,
) -> None:
    """Put a folder's results, tables, figures and first problems into one page, report.html."""
    load_plugins(plugins)
    print(write_report(folder))


if __name__ == "__main__":
    run_command(report)
