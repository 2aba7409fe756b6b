"""What a command imports before it has read its options decides how long ``--help`` takes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import benchmarks
from benchmarks.cli import app_of
from benchmarks.distribute import BACKENDS
from benchmarks.sweep import sweep
from benchmarks.training import DEVICES
from irem_core.engine import ENGINES
from irem_core.precision import DTYPES

COMMANDS = ("answers", "claims", "contract", "floor", "performance", "results", "tables", "verify")
SLOW = ("torch_geometric", "scipy.stats", "seaborn", "dask")


def imported_by(*modules: str) -> set[str]:
    """The names of all modules that are loaded after ``modules`` were imported."""
    lines = [f"import benchmarks.{module}" for module in modules]
    code = "\n".join([*lines, "import sys", "print(*sys.modules)"])
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_options_of_a_sweep_are_read_without_torch():
    assert not {"torch", "pandas", *SLOW} & imported_by("sweep")


def test_commands_import_slow_packages_where_they_use_them():
    assert not {*SLOW} & imported_by(*COMMANDS)
    assert "torch_geometric" not in imported_by("figures.__main__", "report.__main__")


@pytest.mark.parametrize("choices", [BACKENDS, DEVICES, ENGINES, DTYPES])
def test_the_help_names_every_choice(choices):
    """The names stand in the help as text, because the modules that define them import torch."""
    said = " ".join(
        CliRunner().invoke(app_of(sweep), ["--help"], env={"COLUMNS": "200"}).output.split()
    )
    assert f"{', '.join(choices)}." in said


def test_the_help_has_no_square_brackets_of_ours():
    """The printer of the help takes words in square brackets for markup and leaves them out."""
    for path in Path(benchmarks.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "help":
                assert "[" not in ast.unparse(node.value), f"{path}: {ast.unparse(node.value)}"
