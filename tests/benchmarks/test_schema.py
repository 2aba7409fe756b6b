import subprocess

import pandas as pd
import pytest

from benchmarks import provenance
from benchmarks.errors import UsageError
from benchmarks.schema import COLUMNS, SCHEMA, read_results

FALLS = [2.0, 1.0, 0.5, 0.3, 0.2]


@pytest.fixture
def folder(made_up):
    return made_up({("irem", 0): FALLS})


def test_what_was_written_is_read(folder):
    results = read_results(folder)
    assert tuple(results) == COLUMNS
    assert results["mse"].to_numpy() == pytest.approx([1.0, 0.5, 0.2])
    fewer = read_results(folder, made=False)
    pd.testing.assert_frame_equal(fewer, results[list(fewer)])
    assert "commit" not in fewer


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("schema", SCHEMA - 1, f"row 2: schema {SCHEMA - 1}; this suite reads {SCHEMA} alone."),
        ("steps", "many", "row 2: steps is 'many', not a number."),
        ("mse", "0,2", "row 2: mse is '0,2', not a number."),
        ("dirty", "perhaps", "row 2: dirty is 'perhaps', not True or False."),
        ("method", None, "row 2: there is no method."),
        ("seed", None, "row 2: there is no seed."),
        ("status", "fine", "row 2: status 'fine' is none of ok, failed, timeout, diverged."),
        ("mse", None, "row 2: status ok, but mse is nan."),
        ("mse", "inf", "row 2: status ok, but mse is inf."),
        (
            "steps",
            1,
            "row 2: the same run_key, settings, size, difficulty, problems, steps, selection as",
        ),
    ],
)
def test_a_wrong_row_is_named_and_nothing_is_changed(folder, column, value, said):
    path = folder / "results.csv"
    frame = pd.read_csv(path, dtype=object)
    frame.loc[1, column] = value
    frame.to_csv(path, index=False)
    before = path.read_bytes()
    for made in (True, False):
        if made or column in read_columns():
            with pytest.raises(UsageError) as error:
                read_results(folder, made)
            assert said in str(error.value)
    assert path.read_bytes() == before


def read_columns():
    return set(COLUMNS) - {"dirty"}


def test_a_table_of_something_else_is_named_as_such(folder):
    (folder / "results.csv").write_text("name,age\nAda,36\n")
    with pytest.raises(UsageError, match="columns are other ones") as said:
        read_results(folder)
    assert "cannot be read" not in str(said.value)


def test_outside_of_a_repository_there_is_no_commit(folder):
    path = folder / "results.csv"
    pd.read_csv(path).assign(dirty=None, commit=None).to_csv(path, index=False)
    assert read_results(folder)["dirty"].isna().all()


def test_the_commit_is_that_of_the_source_whatever_git_is_told(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    found = provenance._commit.__wrapped__()
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    assert provenance._commit.__wrapped__() == found


def test_one_run_on_two_numbers_of_problems_is_two_results(folder):
    path = folder / "results.csv"
    frame = pd.read_csv(path)
    pd.concat([frame, frame.assign(problems=7)]).to_csv(path, index=False)
    assert len(read_results(folder)) == 2 * len(frame)
