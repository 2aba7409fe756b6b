"""Whether results come again."""

import json
import shutil

import pytest

from benchmarks.cli import run_command
from benchmarks.store import Store
from benchmarks.sweep import sweep
from benchmarks.verify import verify

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


def test_other_numbers_do_not_come_again(folder, key, capsys):
    changed(folder, key, energy=lambda row: row["energy"] + 1e-6)
    code, said = verified(capsys, folder, "--run", key)
    assert code == 1
    assert "| within the interval |" in said
    assert "The numbers do not come again in every bit." in said


def test_what_was_made_elsewhere_comes_again_within_its_interval(folder, key, capsys):
    elsewhere = {"torch": lambda row: "1.0", "skill": lambda row: row["skill"] + 1e-3}
    changed(folder, key, **elsewhere)
    code, said = verified(capsys, folder, "--run", key)
    assert code == 0
    assert "The errors come again within their intervals (torch 1.0, now" in said
    changed(folder, key, mse_ci_high=lambda row: row["mse_ci_low"])
    code, said = verified(capsys, folder, "--run", key)
    assert code == 1
    assert "do not come again within their intervals (torch 1.0, now" in said


def test_the_seed_says_which_run_it_is(folder, capsys):
    drawn = [
        verified(capsys, folder, "--seed", seed)[1].splitlines()[1] for seed in (0, 0, 1, 2, 3)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1


def test_no_longer_than_is_asked(folder, key, capsys):
    changed(folder, key, train_seconds=lambda row: 3600.0)
    for seed in range(4):
        code, said = verified(capsys, folder, "--seed", seed, "--longest", 60)
        assert code == 0
        assert key not in said
        assert "One of those 2 of 3 runs that took up to 60 s:" in said
    code, said = verified(capsys, folder, "--longest", 1e-9)
    assert code == 2
    assert "None of 3 runs took up to 1e-09 s; see --longest." in said


def test_a_key_that_is_none(folder, capsys):
    code, said = verified(capsys, folder, "--run", "xyz")
    assert code == 2
    assert "0 keys begin with 'xyz'" in said


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
