"""What is committed under results/ stays small and has nothing that a command makes again."""

import itertools
import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from benchmarks.registry import TASKS
from benchmarks.results import MAIN

ROOT = Path(__file__).parents[1]
MOST = 90e6  # bytes
REPORTS = {"results/paper/report.html", "results/quick/report.html"}

pytestmark = pytest.mark.skipif(
    not (ROOT / ".git").exists() or shutil.which("git") is None,
    reason="the tests are not in a git checkout, or there is no git",
)


@pytest.fixture(scope="module")
def committed() -> list[Path]:
    """The files under results/ that git knows and that are in the checkout, from its root."""
    command = ["git", "ls-files", "-z", "results"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_results_are_small(committed):
    sizes = [(ROOT / path).stat().st_size for path in committed]
    assert sum(sizes) <= MOST


def test_figures_are_png(committed):
    assert [path for path in committed if path.suffix in (".pdf", ".gif")] == []


def test_the_reports_are_those_of_two_folders(committed):
    assert {str(path) for path in committed if path.name == "report.html"} == REPORTS


def test_parameters_are_those_of_the_main_methods_and_seed_0(committed):
    weights = [path for path in committed if path.suffix == ".safetensors"]
    assert {path.parts[:2] for path in weights} == {("results", "paper")}
    configs = [json.loads((ROOT / path).with_name("config.json").read_text()) for path in weights]
    trained = [(config["method"], config["task"]["name"], config["seed"]) for config in configs]
    assert sorted(trained) == sorted(itertools.product(MAIN, TASKS, [0]))


def test_the_lowest_versions_are_those_that_are_allowed():
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bounds = [bound.partition(",")[0] for bound in table["project"]["dependencies"]]
    expected = {bound.replace(">=", "==") for bound in bounds if not bound.startswith("torch>=")}
    lines = (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    assert {line for line in lines if not line.startswith("#")} == expected
