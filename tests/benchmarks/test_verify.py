"""Whether results come again."""

import json
import math
import shutil

import pandas as pd
import pytest

from benchmarks.cli import run_app, run_command
from benchmarks.errors import UsageError
from benchmarks.execute import give_up
from benchmarks.results import app
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
