"""The command ``python -m benchmarks.figures DIR``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.cli import Plugins, run_command
from benchmarks.figures import FORMATS, write_figures
from benchmarks.registry import load_plugins


def figures(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    formats: Annotated[
        str,
        typer.Option(help=f"{', '.join(FORMATS)}, separated by commas; animations are gif."),
    ] = "png",
    jobs: Annotated[int, typer.Option(min=1, help="Processes that draw.")] = 1,
    plugins: Plugins = None,
) -> None:
    """Draw the figures of a folder's results again."""
    load_plugins(plugins)
    for path in write_figures(folder, formats.split(","), jobs):
        print(path)


if __name__ == "__main__":
    run_command(figures)
