import numpy as np
import pandas as pd
import pytest

from benchmarks.cli import run_command
from benchmarks.performance import frame, markdown, performance


def entry(group, case, median, **axis):
    return {
        "group": group,
        "param": case,
        "stats": {"median": median, "iqr": 0.1 * median, "rounds": 5},
        "extra_info": {
            "axis": axis,
            "dtype": "float32",
            "device": "cpu",
            "operations": 1000,
            "peak_bytes": 2_000_000,
            "share_of_product_rate": 0.5,
        },
    }


REPORT = {
    "benchmarks": [
        entry("an update", "plain", 0.3),
        entry("an update", "float32", 0.1),
        entry("by size", "5", 0.025, size=5),
        entry("by size", "10", 0.1, size=10),
        entry("by size", "20", 0.4, size=20),
        entry("by method", "irem", 0.2),
    ]
}


def test_ratios_are_to_the_plain_way_of_the_same_group():
    entries = frame(REPORT).set_index(["group", "case"])
    assert entries.loc[("an update", "float32"), "ratio"] == pytest.approx(3)
    assert entries.loc[("an update", "plain"), "ratio"] == 1
    assert np.isnan(entries.loc[("by method", "irem"), "ratio"])


def test_the_table_has_growth_and_every_group():
    text = markdown(frame(REPORT))
    assert "by size: time ~ size^2.00 [2.00, 2.00]" in text
    assert "| float32 | 100 ms   | 3.00    | 2 MB   | 1e+03        | 50 %    |" in text
    assert text.count("## ") == 4


def test_the_command_runs_the_suite(tmp_path, monkeypatch):
    # a worker of pytest-xdist measures nothing; what it starts is not one
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    with pytest.raises(SystemExit) as ended:
        run_command(performance, ["--out", str(tmp_path), "-k", "test_replay or matrix_step"])
    assert ended.value.code == 0
    entries = pd.read_csv(tmp_path / "performance.csv")
    assert len(entries) == 6
    assert (entries["median_seconds"] > 0).all()
    assert "time ~ size^" in (tmp_path / "table.md").read_text()
