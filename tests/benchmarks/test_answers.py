"""Answers from elsewhere are measured as our own."""

import json

import numpy as np
import pytest
import torch

from benchmarks.answers import app
from benchmarks.cli import run_app
from benchmarks.schema import read_results
from benchmarks.sweep import run_command, sweep
from benchmarks.tables import result_tables

PROBLEMS = ["--problems", 16]


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        run_app(app, [str(argument) for argument in arguments])
    return ended.value.code


def exported(folder, *options):
    path = folder / "problems.npz"
    assert run("export", *options, *PROBLEMS, "--out", path) == 0
    return path


def test_answers_of_a_trivial_method_get_its_own_numbers(tmp_path):
    problems = exported(tmp_path, "--task", "addition", "--size", 3, "--difficulty", "harder")
    with np.load(problems) as arrays:
        assert arrays["x"].shape == (16, 18)
        assert "target" not in arrays
        copied = arrays["x"][:, :9]
    np.save(tmp_path / "answers.npy", copied)
    options = ["--preset", "smoke", "--tasks", "addition", "--methods", "trivial_copy"]
    with pytest.raises(SystemExit):
        run_command(sweep, [*options, "--out", str(tmp_path / "out")])
    scored = ["score", problems, tmp_path / "answers.npy", "--method", "theirs"]
    assert run(*scored, "--out", tmp_path / "out") == 0
    rows = read_results(tmp_path / "out").query("difficulty == 'harder' and steps == 1")
    own, theirs = (rows[rows["method"] == name].iloc[0] for name in ("trivial_copy", "theirs"))
    for column in ("mse", "mse_ci_low", "mse_ci_high", "skill", "solve_rate", "mse_trivial"):
        assert own[column] == theirs[column]
    assert (own["external"], theirs["external"]) == (False, True)
    assert np.isnan(theirs["flops"])


def test_answers_after_every_step(tmp_path):
    problems = exported(tmp_path, "--task", "shortest_path", "--size", 12)
    with np.load(problems) as arrays:
        assert json.loads(str(arrays["about"]))["difficulty"] == "harder"
        answers = np.stack([arrays["x"], 0 * arrays["x"], arrays["x"]])
    np.save(tmp_path / "answers.npy", answers)
    scored = ["score", problems, tmp_path / "answers.npy", "--method", "theirs"]
    assert run(*scored, "--out", tmp_path / "out") == 0
    (row,) = read_results(tmp_path / "out").itertuples()
    assert (row.steps, row.size, row.difficulty) == (3, 12, "harder")


def test_values_of_a_task_go_with_the_problems(tmp_path):
    problems = exported(tmp_path, "--task", "inverse", "--size", 2, "--set", "ridge=1.0")
    with np.load(problems) as arrays:
        matrices = torch.from_numpy(arrays["x"]).view(-1, 2, 2)
    np.save(tmp_path / "answers.npy", torch.linalg.inv(matrices).flatten(1).numpy())
    scored = ["score", problems, tmp_path / "answers.npy", "--method", "theirs"]
    assert run(*scored, "--out", tmp_path / "out") == 0
    (row,) = read_results(tmp_path / "out").itertuples()
    assert row.mse < 1e-20
    assert row.skill == pytest.approx(1)
    assert json.loads(row.settings) == {"ridge": 1.0}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.zeros((16, 8)), "must hold an array [16, 9] or [T, ...], not (16, 8)"),
        (np.zeros((2, 2, 16, 9)), "must hold an array"),
        (np.full((16, 9), np.nan), "entries that are not finite"),
        (np.array([["a"] * 9] * 16), "holds numbers of type <U1"),
    ],
)
def test_answers_of_another_kind_are_refused(content, said, tmp_path, capsys):
    problems = exported(tmp_path, "--task", "addition", "--size", 3)
    np.save(tmp_path / "answers.npy", content)
    scored = ["score", problems, tmp_path / "answers.npy", "--method", "theirs"]
    assert run(*scored, "--out", tmp_path / "out") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_of_the_suite_and_other_files_are_refused(tmp_path, capsys):
    problems = exported(tmp_path, "--task", "addition", "--size", 3)
    out = ["--out", tmp_path / "out"]
    assert run("score", problems, problems, "--method", "irem", *out) == 2
    assert "'irem' is a method of the suite" in capsys.readouterr().err
    assert run("score", tmp_path / "none.npz", problems, "--method", "theirs", *out) == 2
    assert "is not what `export` wrote" in capsys.readouterr().err
    assert run("export", "--task", "addtion", "--out", tmp_path / "p.npz") == 2
    assert "Did you mean 'addition'?" in capsys.readouterr().err


def scored(folder, name, problems=None, answers=None):
    """The exit code of scoring answers to three problems under a name."""
    problems = problems or exported(folder, "--task", "addition", "--size", 3)
    path = folder / "answers.npy"
    np.save(path, np.ones((16, 9)) if answers is None else answers)
    return run("score", problems, path, "--method", name, "--out", folder / "out")


@pytest.mark.parametrize("name", ["NA", "nan", "null", "None", "n/a", "_mine", "名前", "cash$$"])
def test_any_name_comes_back_as_it_was(tmp_path, name):
    assert scored(tmp_path, name) == 0
    assert read_results(tmp_path / "out")["method"].tolist() == [name]
    assert f"| {name} " in result_tables(tmp_path / "out")[0].frame.to_markdown(index=False)


@pytest.mark.parametrize("name", ["", "a\rb", "a,b"])
def test_a_name_that_a_file_cannot_hold_is_refused_before_anything_is_written(
    tmp_path, name, capsys
):
    assert scored(tmp_path, name) == 2
    assert "of --method" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("off", "code"), [(7e-15, 0), (1e-3, 2)])
def test_problems_that_were_rounded_elsewhere_are_the_same(tmp_path, off, code):
    problems = exported(tmp_path, "--task", "addition", "--size", 3)
    with np.load(problems) as arrays:
        changed = dict(arrays) | {"x": arrays["x"] + off}
    np.savez(problems, **changed)
    assert scored(tmp_path, "theirs", problems) == code


def test_one_row_of_inputs_does_not_stand_for_all(tmp_path, capsys):
    problems = exported(tmp_path, "--task", "addition", "--size", 3)
    with np.load(problems) as arrays:
        changed = dict(arrays) | {"x": arrays["x"][:1]}
    np.savez(problems, **changed)
    assert scored(tmp_path, "theirs", problems) == 2
    assert "holds other problems" in capsys.readouterr().err


def test_answers_may_be_true_or_false(tmp_path):
    assert scored(tmp_path, "theirs", answers=np.ones((16, 9), dtype=bool)) == 0


def test_the_type_of_numbers_that_are_not_taken_is_said(tmp_path, capsys):
    assert scored(tmp_path, "theirs", answers=np.ones((16, 9), "f2").view("V2")) == 2
    assert "holds numbers of type |V2: save them as float32 or float64" in capsys.readouterr().err


def test_what_is_no_array_is_said_without_advice_to_run_it(tmp_path, capsys):
    problems = exported(tmp_path, "--task", "addition", "--size", 3)
    path = tmp_path / "answers.csv"
    np.savetxt(path, np.ones((16, 9)))
    assert run("score", problems, path, "--method", "theirs", "--out", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert "is not what numpy.save writes" in said
    assert "pickle" not in said
