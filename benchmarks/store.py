"""A folder of results: one folder a run, and what is made from them.

DIR/results.csv                        made from all that is below
DIR/runs/KEY/config.json               what was run
DIR/runs/KEY/method.safetensors        its parameters, written when training is done
DIR/runs/KEY/state-RATE.safetensors    training with a learning rate so far, while it is not
DIR/runs/KEY/curve.csv                 the training curve, of every learning rate
DIR/runs/KEY/EVALUATION/trace.parquet  every test problem after every step
DIR/runs/KEY/EVALUATION/examples.parquet
DIR/runs/KEY/EVALUATION/rows.json      its rows of results.csv, written last
"""

from __future__ import annotations

import json
import os
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.errors import UsageError
from irem_core.checkpoint import write_whole

SCHEMA = 3
COLUMNS = (
    "task",
    "method",
    "size",
    "difficulty",
    "steps",
    "steps_used",
    "selection",
    "seed",
    "problems",
    "mse",
    "mse_ci_low",
    "mse_ci_high",
    "skill",
    "solve_rate",
    "energy",
    "flops",
    "seconds",
    "train_iterations",
    "train_seconds",
    "parameters",
    "status",
    "error",
    "protocol",
    "settings",
    "run_key",
    "schema",
    "commit",
    "dirty",
    "created",
    "torch",
    "device",
    "threads",
    "dtype",
    "mse_trivial",
    "mse_best",
    "mse_best_uncertainty",
    "learning_rate",
    "engine",
    "together",
    "python",
    "torch_geometric",
    "numpy",
    "driver",
    "evaluation_seconds",
    "peak_bytes",
    "external",
)
"""The columns of results.csv, one row per run, size, difficulty, step budget and selection.

mse_trivial and mse_best are the errors that skill is held against, on the same test problems;
learning_rate is the one that the parameters were trained with, engine how its updates
were executed, and together how many seeds were trained in one computation, whose train_seconds are
shared out among them. peak_bytes is the most
memory that the process held, or, on a CUDA device, its tensors. external says that the answers came
from elsewhere.
"""


class Store:
    """The results under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.csv = folder / "results.csv"

    def run_folder(self, run_key: str) -> Path:
        return self.folder / "runs" / run_key

    def prepare(self) -> None:
        """Make the folder, and refuse one that holds what a sweep would overwrite.

        Raises UsageError if the folder cannot be written, or if its results.csv is not one of ours
        or has rows of runs that are not in it; nothing is changed then.
        """
        if self.csv.exists():
            self._check_csv()
        elif (self.folder / "table.md").exists():
            raise UsageError(f"{self.folder} holds a table.md but no results.csv: not one of ours.")
        for inner in (self.folder / "runs", self.folder / "figures"):
            try:
                inner.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"The folder {inner} cannot be made: {error.strerror}.") from error
            if not os.access(inner, os.W_OK):
                raise UsageError(f"The folder {inner} cannot be written.")

    def rows(self, run_key: str, evaluation_key: str) -> list[dict[str, Any]]:
        """The rows of an evaluation; none if it has not been finished."""
        path = self.run_folder(run_key) / evaluation_key / "rows.json"
        return json.loads(path.read_text()) if path.exists() else []

    def write_evaluation(
        self,
        run_key: str,
        evaluation_key: str,
        rows: list[dict[str, Any]],
        frames: dict[str, pd.DataFrame],
    ) -> None:
        """Write the frames and then, which makes the evaluation a finished one, its rows."""
        folder = self.run_folder(run_key) / evaluation_key
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in frames.items():
            buffer = BytesIO()
            frame.to_parquet(buffer, compression="zstd", index=False)
            write_whole(folder / f"{name}.parquet", buffer.getvalue())
        write_whole(folder / "rows.json", json.dumps(rows, indent=1).encode())

    def collect(self) -> pd.DataFrame:
        """Make results.csv from all runs of the folder, in an order of its own, and return it."""
        rows = [
            row
            for path in self.folder.glob("runs/*/*/rows.json")
            for row in json.loads(path.read_text())
        ]
        frame = pd.DataFrame(rows, columns=COLUMNS)
        order = ["task", "size", "method", "run_key", "difficulty", "steps", "selection"]
        frame = frame.sort_values(order, key=_sortable, ignore_index=True)
        write_whole(self.csv, frame.to_csv(index=False).encode())
        return read_results(self.folder)

    def _check_csv(self) -> None:
        keys = set(read_results(self.folder)["run_key"])
        missing = [key for key in keys if not self.run_folder(key).is_dir()]
        if missing:
            raise UsageError(
                f"{self.csv} has rows of {len(missing)} runs that are not in {self.folder / 'runs'}"
                " and would be lost. Move it away, or choose another folder with --out."
            )


def read_results(folder: Path) -> pd.DataFrame:
    """results.csv of a folder. Raises UsageError if it is missing or not one of ours."""
    path = folder / "results.csv"
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another one with --out.")
    if not path.exists():
        raise UsageError(f"There is no {path}. Run a sweep with --out {folder} first.")
    try:
        frame = pd.read_csv(path, dtype={"difficulty": str, "error": str, "run_key": str})
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}.") from error
    if tuple(frame.columns) != COLUMNS:
        raise UsageError(
            f"{path} is not a results.csv of this suite: its columns are other ones. It was left "
            "as it is; choose another folder with --out."
        )
    if not (frame["schema"] == SCHEMA).all():
        raise UsageError(f"{path} has rows of another schema than {SCHEMA}.")
    return frame


def read_trace(folder: Path, row: Any) -> pd.DataFrame:
    """The trace behind a row of results. Raises UsageError if it is not there."""
    for path in sorted((folder / "runs" / row.run_key).glob("*/rows.json")):
        first = json.loads(path.read_text())[0]
        case = (first["size"], str(first["difficulty"]), first["problems"])
        trace = path.with_name("trace.parquet")
        if case == (row.size, row.difficulty, row.problems) and trace.exists():
            return pd.read_parquet(trace)
    raise UsageError(
        f"{folder / 'runs' / row.run_key} has no trace of size {row.size}, {row.difficulty}: "
        "run the sweep again"
    )


def _sortable(column: pd.Series) -> pd.Series:
    return column.astype(str) if column.dtype == object else column
