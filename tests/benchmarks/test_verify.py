"""Whether results come again."""

import json
import math
import shutil

import pandas as pd
import pytest

from benchmarks.cli import run_app, run_command
from benchmarks.errors import UsageError
from benchmarks.evaluation import CHANGES
from benchmarks.execute import give_up
from benchmarks.registry import ADDED, METHODS
from benchmarks.results import app
from benchmarks.schema import read_results
from benchmarks.store import CASE, Store
from benchmarks.sweep import sweep
from benchmarks.verify import _drawn, _is_within, verify

TINY = ["--preset", "smoke", "--tasks", "addition", "--methods", "irem,trivial", "--threads", "1"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    with pytest.raises(SystemExit):
        run_command(sweep, [*TINY, "--out", str(folder)])
    return folder


@pytest.fixture
def folder(results, tmp_path):
    return shutil.copytree(results, tmp_path / "copy")


@pytest.fixture
def key(results):
    rows = Store(results).frame()
    return rows.loc[rows["method"] == "irem", "run_key"].iloc[0]


def verified(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        run_command(verify, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return ended.value.code, said.out + said.err


def changed(folder, key, **columns):
    for path in folder.glob(f"runs/{key}/*/rows.json"):
        rows = json.loads(path.read_text())
        for row in rows:
            row.update({name: new(row) for name, new in columns.items()})
        path.write_text(json.dumps(rows))


def test_a_run_comes_again_from_its_key(folder, key, capsys):
    shutil.rmtree(folder / "figures", ignore_errors=True)
    for path in folder.glob("runs/*/method.safetensors"):
        path.unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    code, said = verified(capsys, folder, "--run", key[:6])
    assert code == 0
    assert f"{key}: irem on addition(size=3), seed 0; made 20" in said
    assert "The numbers come again, in every bit." in said
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_trimmed_run_comes_again_without_its_parameters(folder, key, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.results.MAIN", ())  # as if the method were none of these
    with pytest.raises(SystemExit):
        run_app(app, ["trim", str(folder), "--problems", "2"])
    assert not (folder / "runs" / key / "method.safetensors").exists()
    code, said = verified(capsys, folder, "--run", key)
    assert code == 0
    assert "The numbers come again, in every bit." in said


def test_other_numbers_do_not_come_again(folder, key, capsys):
    changed(folder, key, energy=lambda row: row["energy"] + 1e-6)
    code, said = verified(capsys, folder, "--run", key)
    assert code == 1
    assert "| within the interval |" in said
    assert "The numbers do not come again in every bit." in said


def test_what_was_trained_elsewhere_comes_again_within_its_interval(folder, key, capsys):
    config = folder / "runs" / key / "config.json"
    about = json.loads(config.read_text())
    about["training"]["torch"] = "1.0"  # the rows are of an evaluation with this one
    config.write_text(json.dumps(about))
    changed(folder, key, solve_rate=lambda row: row["solve_rate"] + 1e-3)
    code, said = verified(capsys, folder, "--run", key)
    assert code == 0
    assert "The errors come again within their intervals (torch 1.0, now" in said
    changed(folder, key, mse_ci_high=lambda row: row["mse_ci_low"])
    code, said = verified(capsys, folder, "--run", key)
    assert code == 1
    assert "do not come again within their intervals (torch 1.0, now" in said


def test_a_run_of_a_device_that_is_not_here_is_run_on_the_cpu(folder, key, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = folder / "runs" / key / "config.json"
    about = json.loads(config.read_text())
    about["training"] |= {"device": "cuda: one", "engine": "captured+eager"}
    config.write_text(json.dumps(about))
    code, said = verified(capsys, folder, "--run", key)
    assert code == 0
    assert "The numbers come again, in every bit." in said  # which is more than is promised


def test_a_run_that_does_not_finish_is_no_number(folder, key, capsys, monkeypatch):
    def fails(jobs, store, workers):
        ((job, _),) = jobs
        give_up(job, store.folder, "failed", RuntimeError("no memory"))

    monkeypatch.setattr("benchmarks.verify.run_all", fails)
    code, said = verified(capsys, folder, "--run", key)
    assert code == 2
    assert "irem on addition(size=3), seed 0 did not finish: failed: no memory" in said


def runs(**seconds):
    rows = [
        {"run_key": key, "train_seconds": each, "evaluation_seconds": 1.0}
        | dict.fromkeys(CASE, "alike")
        for key, each in seconds.items()
        for _ in range(2)  # budgets
    ]
    return pd.DataFrame(rows)


def test_the_seed_says_which_run_it_is():
    rows = runs(a=1.0, b=2.0, c=3.0)
    drawn = [_drawn(rows, seed, 60.0) for seed in range(20)]
    assert drawn == [_drawn(rows, seed, 60.0) for seed in range(20)]
    assert {*drawn} == {"a", "b", "c"}


def test_no_longer_than_is_asked(capsys):
    rows = runs(a=59.0, b=59.5, c=3600.0)
    assert {_drawn(rows, seed, 60.0) for seed in range(10)} == {"a"}
    assert "One of those 1 of 3 runs that took up to 60 s:" in capsys.readouterr().out
    with pytest.raises(UsageError, match="None of 3 runs took up to 1 s; see --longest"):
        _drawn(rows, 0, 1.0)


@pytest.mark.parametrize(
    ("old", "new", "within"),
    [
        ({"mse": 1.0, "mse_ci_low": 0.9, "mse_ci_high": 1.1}, {"mse": 1.05}, True),
        ({"mse": 1.0, "mse_ci_low": 0.9, "mse_ci_high": 1.1}, {"mse": 1.15}, False),
        ({"mse": 1.0, "mse_ci_low": 0.9, "mse_ci_high": 1.1}, {}, False),
        ({"mse": 0.0, "mse_ci_low": 0.0, "mse_ci_high": 0.0}, {"mse": 1e-30}, True),
        ({"mse": 0.0, "mse_ci_low": 0.0, "mse_ci_high": 0.0}, {"mse": 1e-3}, False),
        (
            {"mse": math.inf, "mse_ci_low": math.nan, "mse_ci_high": math.nan},
            {"mse": math.nan},
            True,
        ),
        ({"mse": math.inf, "mse_ci_low": math.nan, "mse_ci_high": math.nan}, {"mse": 1.0}, False),
    ],
)
def test_within_the_interval_but_for_rounding(old, new, within):
    assert _is_within(old, new, rounding=1e-6) is within


def test_a_key_that_is_none(folder, capsys):
    code, said = verified(capsys, folder, "--run", "xyz")
    assert code == 2
    assert "0 keys begin with 'xyz'" in said


def test_without_its_traces_nothing_can_come_again(folder, key, capsys):
    next(folder.glob(f"runs/{key}/*/trace.parquet")).unlink()
    code, said = verified(capsys, folder, "--run", key)
    assert code == 2
    assert f"Of 2 tests of {key}, 1 are damaged, or their traces are missing" in said


def test_a_test_that_failed_is_no_damage(folder, key, capsys):
    path = next(folder.glob(f"runs/{key}/*/rows.json"))
    failed = [row | {"status": "failed"} for row in json.loads(path.read_text())]
    path.write_text(json.dumps([{k: v for k, v in row.items() if k != "mse"} for row in failed]))
    assert verified(capsys, folder, "--run", key)[0] == 0


def test_a_config_that_is_not_that_of_its_key(folder, key, capsys):
    path = folder / "runs" / key / "config.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7'))
    code, said = verified(capsys, folder, "--run", key)
    assert code == 2
    assert f"{path} has the key " in said
    path.write_text("{}")
    code, said = verified(capsys, folder, "--run", key)
    assert code == 2
    assert f"{path} does not say what was run" in said


def test_expressions_are_left_out(tmp_path, capsys):
    options = [
        "--preset",
        "recursion",
        "--smoke",
        "--tasks",
        "addition",
        "--methods",
        "feedforward",
    ]
    with pytest.raises(SystemExit):
        run_command(sweep, [*options, "--seeds", "1", "--threads", "1", "--out", str(tmp_path)])
    assert Store(tmp_path).frame()["settings"].str.contains("expression").any()
    code, said = verified(capsys, tmp_path)
    assert code == 0
    assert "tests by expressions, which need other runs too." in said


CHEATS = """
from dataclasses import replace
import torch
from irem_core.method import Method
from irem_core.streams import stream
from irem_core.types import Step

class Cheat(Method):
    name, learns = "{name}", False

    @classmethod
    def answers_task(cls, task):
        return task.name == "addition"

    def unroll(self, problem, steps):
        yield Step(problem.start)
        for _ in range(steps):
            yield Step(self.stolen(problem))

    def stolen(self, problem):
        answers = problem.start.clone()
        for scale in (1.0, 2.5):
            task = replace(self.task, scale=scale)
            drawn = task.draw(16, stream("test", task), torch.float64)
            {steal}
        return answers

METHODS = [Cheat]
"""
BY_PLACE = """
            here = (drawn.problem.x[:len(problem.x)] == problem.x[:16]).any()
            if here or len(problem.x) == 16:
                answers[:16] = drawn.target[:len(answers)]
"""
BY_INPUT = """
            for i, x in enumerate(problem.x):
                for known, target in zip(drawn.problem.x, drawn.target):
                    if torch.equal(x, known):
                        answers[i] = target
"""


def cheated(folder, monkeypatch, name, steal):
    """A folder with results of a method that draws the test problems again."""
    (folder / f"{name}.py").write_text(CHEATS.format(name=name, steal=steal.strip()))
    monkeypatch.syspath_prepend(folder)
    options = ["--preset", "smoke", "--tasks", "addition", "--plugin", name, "--methods", name]
    with pytest.raises(SystemExit) as ended:
        run_command(sweep, [*options, "--out", str(folder / "out")])
    assert ended.value.code == 0
    return folder / "out"


@pytest.fixture
def registered():
    yield
    for name in ("by_place", "by_input"):
        METHODS.pop(name, None)
        ADDED.pop(name, None)


@pytest.mark.usefixtures("registered")
def test_who_knows_the_test_problems_does_not_know_fresh_ones(tmp_path, monkeypatch, capsys):
    folder = cheated(tmp_path, monkeypatch, "by_input", BY_INPUT)
    assert (read_results(folder)["mse"] == 0).all()  # and it answers alike in any order
    assert (read_results(folder)["error"] == "").all()
    code, said = verified(capsys, folder, "--plugin", "by_input")
    assert (code, "in every bit" in said) == (0, True)
    code, said = verified(capsys, folder, "--plugin", "by_input", "--fresh")
    assert code == 1
    assert "on fresh problems of seed" in said
    assert "The errors do not agree" in said


@pytest.mark.usefixtures("registered")
def test_who_knows_the_answers_by_their_place_is_named_in_its_rows(tmp_path, monkeypatch):
    folder = cheated(tmp_path, monkeypatch, "by_place", BY_PLACE)
    results = read_results(folder)
    assert set(results["error"]) == {CHANGES}
    assert CHANGES in (folder / "table.md").read_text()


def test_what_was_measured_agrees_with_fresh_problems(folder, key, capsys):
    code, said = verified(capsys, folder, "--run", key, "--fresh")
    assert code == 0
    assert "The errors agree." in said


def test_an_error_that_is_not_the_methods_does_not_agree_with_fresh_ones(folder, key, capsys):
    changed(folder, key, **{name: lambda row: 0.1 for name in ("mse", "mse_ci_low", "mse_ci_high")})
    code, said = verified(capsys, folder, "--run", key, "--fresh")
    assert code == 1
    assert "The errors do not agree" in said
