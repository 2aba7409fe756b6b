"""From a large CSV to tables and figures."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import psutil
import pytest

from benchmarks.figures import write_figures
from benchmarks.registry import TASKS
from benchmarks.schema import COLUMNS, SCHEMA
from benchmarks.tables import write_tables

ROWS = 1_000_000
BUDGETS = (1, 2, 5, 10, 20, 40, 80)
LEARNED = ("irem", "feedforward", "recurrent", "iterative", "ponder")


def results(rows, tasks):
    """Rows of tasks at two sizes or difficulties, with as many seeds as it takes."""
    cases = [(name, *case) for name in tasks for case in of_domain(TASKS[name].domain)]
    one = pd.DataFrame(
        itertools.product(cases, LEARNED, BUDGETS), columns=["case", "method", "steps"]
    )
    one[["task", "size", "difficulty"]] = one.pop("case").tolist()
    seeds = -(-rows // len(one))
    frame = pd.concat([one] * seeds, ignore_index=True)[:rows]
    frame["seed"] = np.repeat(np.arange(seeds), len(one))[:rows]
    said = frame["method"] + frame["task"] + frame["seed"].astype(str)
    frame["run_key"] = pd.util.hash_pandas_object(said, index=False).map("{:016x}".format)
    rng = np.random.default_rng(0)
    frame["mse"] = rng.uniform(0.5, 1, rows) / frame["steps"]
    frame["skill"] = 1 - frame["mse"]
    same = {"selection": "last", "status": "ok", "settings": "{}", "schema": SCHEMA, "protocol": 2}
    same |= {"problems": 1000, "mse_trivial": 1.0, "mse_best": 0.0, "solve_rate": 0.5}
    same |= {"parameters": 10**6, "train_seconds": 60.0, "dirty": False, "external": False}
    frame = frame.assign(**same, steps_used=frame["steps"], flops=1e6 * frame["steps"])
    frame = frame.assign(seconds=1e-3 * frame["steps"], mse_ci_low=frame["mse"])
    return frame.assign(mse_ci_high=frame["mse"]).reindex(columns=COLUMNS)


def of_domain(domain):
    if domain == "matrix":
        return [(20, "same"), (20, "harder")]
    return [(10, "same"), (15, "harder")]


@pytest.fixture(scope="module")
def folder(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    if request.config.getoption("--benchmark-disable"):
        frame = results(2_000, ["addition", "shortest_path"])
    else:
        frame = results(ROWS, [*TASKS])
    frame.to_csv(folder / "results.csv", index=False)
    return folder


@pytest.mark.benchmark(group=f"a results.csv of {ROWS:,} rows, without traces")
@pytest.mark.parametrize("write", [write_tables, write_figures], ids=["tables", "figures"])
def test_many_rows(benchmark, folder, write):
    benchmark.pedantic(write, (folder,), rounds=1)
    benchmark.extra_info["bytes"] = psutil.Process().memory_info().rss
