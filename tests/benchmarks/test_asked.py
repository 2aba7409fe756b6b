"""What is trained, asked in other ways: from the sweep to tables and figures."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import load
from benchmarks.claims import THINKS_LONGER, claims
from benchmarks.cli import run_command
from benchmarks.expressions import Nested
from benchmarks.measures import measures
from benchmarks.report.page import page
from benchmarks.schema import read_results
from benchmarks.store import read_trace
from benchmarks.sweep import sweep
from benchmarks.tables import write_tables
from irem_core import Addition

pytestmark = pytest.mark.draws

PRESET = """
base = "smoke"
tasks = ["addition"]
methods = ["irem", "recurrent", "programmatic", "trivial"]
difficulties = ["same", "scale=2.0"]
tests = [
    { expression = "addition(_, a)" },
    { expression = "addition(_, a)", times = 2 },
    { restarts = 3 },
    { backtracking = true },
]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    (folder / "own.toml").write_text(PRESET)
    arguments = ["--preset", str(folder / "own.toml"), "--threads", "1"]
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [*arguments, "--out", str(folder / "out")])
    assert ended.value.code == 0
    return folder / "out"


def rows(folder, **settings):
    results = read_results(folder)
    asked = results["settings"].map(lambda text: {k: json.loads(text).get(k) for k in settings})
    return results[(asked == settings) & (results["selection"] == "last")]


def of(folder, method, **settings):
    """The one row at difficulty same and the largest budget."""
    found = rows(folder, **settings)
    found = found[(found["method"] == method) & (found["difficulty"] == "same")]
    return found[found["steps"] == found["steps"].max()].iloc[-1]


def test_the_error_of_a_sum_of_a_sum_is_that_of_the_methods_own_answers(folder):
    row = of(folder, "irem", times=2)
    method = load(folder / "runs" / row["run_key"]).double()

    def solve(problem):
        return method.solve(problem, 5).answers[-1]

    twice = Nested("addition(_, a)", [Addition(size=3)], {"addition": solve}, 16)
    with torch.no_grad():
        assert row["mse"] == pytest.approx(twice.error(2), rel=1e-3)
    assert row["mse_best"] == 0
    trivial = [of(folder, f"trivial_{name}", times=2)["mse"] for name in ("constant", "copy")]
    assert row["mse_trivial"] == pytest.approx(min(trivial))


def test_an_exact_algorithm_stays_exact(folder):
    assert of(folder, "programmatic", times=2)["mse"] < 1e-20


def test_only_the_descent_is_searched(folder):
    assert set(rows(folder, restarts=3)["method"]) == {"irem"}
    assert of(folder, "irem", restarts=3)["flops"] > 3 * of(folder, "irem", restarts=None)["flops"]
    backtracked = of(folder, "irem", backtracking=True)
    numbers = measures(folder, read_results(folder)).query("difficulty == 'same'")
    assert numbers.set_index("line")["energy_rises"]["irem (backtracking=True)"] == 0
    assert backtracked["status"] == "ok"


def test_of_several_starts_the_one_of_the_lowest_energy_is_the_answer(folder):
    numbers = measures(folder, read_results(folder)).query("difficulty == 'same'")
    line = numbers.set_index("line").loc["irem (restarts=3)"]
    starts = pd.concat(pd.read_parquet(path) for path in folder.glob("runs/*/*/starts.parquet"))
    assert len(starts) == 2 * 16 * 3  # difficulties, problems, starts
    assert line["starts_best"] <= min(line["mse"], line["starts_mean"])
    assert -1 <= line["starts_correlation"] <= 1
    assert numbers.set_index("line")["starts_mean"].drop("irem (restarts=3)").isna().all()


def test_tables_say_it(folder):
    table = write_tables(folder)
    errors, written = table.partition("## addition(_, a), n=3: one sum written out")[::2]
    assert "## addition(_, a), n=3\n" in errors
    assert "| once " in errors
    assert "| 2 times " in errors
    assert "| irem (restarts=3) " in errors
    once, twice = (line.split("|")[2:5] for line in written.splitlines()[4:6])
    assert "irem was asked" in written
    assert once[1].strip() != once[2].strip()
    assert " + " in twice[0]


def test_figures_are_drawn(folder):
    names = {path.name for path in folder.glob("figures/*")}
    assert {
        "recursion_addition_a_3.png",
        "recursion_addition_a_3_scale_2_0.png",
        "landscape_addition_3.png",
        "answers_addition_3.png",
        "effort_addition_3.png",
        "ablation_irem_addition_3.png",
    } <= names
    assert not [name for name in names if name.startswith("error_against_steps_addition_a")]


def test_claims_speak_of_it(folder):
    found = claims(folder)
    assert [each.where for each in found].count("addition(_, a), n=3, applied 2 times") == 1
    assert any(each.claim == THINKS_LONGER for each in found)
    assert "addition(_, a)" in page(folder)


def test_how_hard_a_problem_is_is_in_the_trace(folder):
    row = of(folder, "irem", times=None)
    for path in folder.glob(f"runs/{row['run_key']}/*/trace.parquet"):
        hardness = pd.read_parquet(path).groupby("problem")["hardness"]
        assert (hardness.nunique() == 1).all()
        assert np.isfinite(hardness.first()).all()


def test_a_row_is_read_with_the_trace_of_its_own_budget(folder, tmp_path, monkeypatch):
    """An expression has an evaluation for every budget, all of them of one run and case."""
    monkeypatch.setattr("benchmarks.pipeline.write_figures", lambda folder, jobs: [])
    out = tmp_path / "out"
    for steps in ("1", "3"):
        arguments = ["--preset", str(folder.parent / "own.toml"), "--methods", "irem,trivial"]
        with pytest.raises(SystemExit):
            run_command(sweep, [*arguments, "--steps", steps, "--out", str(out)])
    asked = rows(out, times=2).query("method == 'irem'")
    assert sorted(asked["steps"]) == [1, 1, 3, 3]  # at both difficulties
    for row in asked.itertuples():
        assert read_trace(out, row)["step"].max() == row.steps
