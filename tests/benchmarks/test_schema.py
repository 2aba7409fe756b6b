import pandas as pd
import pytest

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
        ("schema", SCHEMA - 1, f"line 3: schema {SCHEMA - 1}; this suite reads {SCHEMA} alone."),
        ("steps", "many", "line 3: steps is 'many', not a number."),
        ("mse", "0,2", "line 3: mse is '0,2', not a number."),
        ("dirty", "perhaps", "line 3: dirty is 'perhaps', not True or False."),
        ("method", None, "line 3: there is no method."),
        ("seed", None, "line 3: there is no seed."),
        ("status", "fine", "line 3: status 'fine' is none of ok, failed, timeout, diverged."),
        ("mse", None, "line 3: status ok, but mse is nan."),
        ("mse", "inf", "line 3: status ok, but mse is inf."),
        ("steps", 1, "line 3: the same run_key, size, difficulty, steps, selection as in"),
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
