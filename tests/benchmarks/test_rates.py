import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import rates
from benchmarks.rates import product_rate, why_mixed_is_slow

SUITE = Path(rates.__file__).with_name("test_speed.py")
SLOW = """
from benchmarks import rates

rates.product_rate = lambda dtype, device: {"float32": 50e9, "mixed": 2e9}[dtype]
"""


def test_a_rate_is_operations_over_the_least_time(monkeypatch):
    clock = iter([0.0, 0.4, 1.0, 1.25, 2.0, 2.5])  # three products of 0.4, 0.25 and 0.5 s
    monkeypatch.setattr("benchmarks.rates.time.perf_counter", lambda: next(clock))
    assert product_rate("mixed", torch.device("cpu")) == pytest.approx(2 * 1024 * 512 * 512 / 0.25)


def test_both_rates_are_named_where_bfloat16_is_slower():
    said = why_mixed_is_slow({"float32": 50e9, "mixed": 2e9})
    assert "at 2 GFLOP/s in bfloat16 and at 50 GFLOP/s in float32" in said
    assert why_mixed_is_slow({"float32": 50e9, "mixed": 50e9}) is None


def test_the_speed_suite_skips_mixed_precision_where_it_is_slower(tmp_path, monkeypatch):
    # a worker of pytest-xdist measures nothing; what it starts is not one
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    (tmp_path / "slow_plugin.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{SUITE.parents[1]}")
    command = [sys.executable, "-m", "pytest", str(SUITE), "--benchmark-only", "-q", "-rs"]
    command += ["-k", "mixed or seeds_at_once", "-p", "slow_plugin", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(SUITE.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 skipped" in done.stdout
    assert "2 GFLOP/s in bfloat16" in done.stdout
