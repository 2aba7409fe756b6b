import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.cli import run_command
from benchmarks.figures import figures
from benchmarks.sweep import sweep
from benchmarks.tables import tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "out"
    with pytest.raises(SystemExit):
        run_command(
            sweep,
            ["--preset", "smoke", "--tasks", "addition", "--seeds", "2", "--out", str(folder)],
        )
    return folder


def written(command, folder: Path) -> dict[str, bytes]:
    with pytest.raises(SystemExit) as ended:
        run_command(command, [str(folder)])
    assert ended.value.code == 0
    return {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


def test_tables_and_figures_come_again_byte_for_byte(folder):
    first = {path.name: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    (folder / "table.md").unlink()
    for path in folder.glob("figures/*"):
        path.unlink()
    written(tables, folder)
    assert written(figures, folder) == first


def test_the_table_has_every_method_beside_the_trivial_and_the_best(folder):
    table = (folder / "table.md").read_text()
    names = ["irem", "feedforward", "trivial_constant", "trivial_copy", "*best trivial*"]
    places = [table.index(f"| {name}") for name in [*names, "*best known*"]]
    assert places == sorted(places)
    assert "same: skill" in table
    assert "harder: skill" in table


def test_the_readme_shows_the_table_of_results_quick():
    root = Path(__file__).parents[2]
    readme, table = (root / "README.md").read_text(), root / "results" / "quick" / "table.md"
    addition = table.read_text().partition("## addition, n=10\n\n")[2].partition("\n\n")[0]
    assert addition.startswith("| method")
    assert addition in readme


def test_no_results_is_a_clear_sentence(tmp_path):
    command = [sys.executable, "-m", "benchmarks.tables", "nowhere"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "There is no nowhere/results.csv. Run a sweep" in done.stderr
