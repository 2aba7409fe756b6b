"""results.csv: its columns, and that what is read has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.errors import UsageError

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
    "mse_row",
)
"""The columns of results.csv, one row per run, size, difficulty, step budget and selection.

mse_trivial and mse_best are the errors that skill is held against, on the same test problems, and
mse_row is that of one linear pass; they are computed when results are collected;
learning_rate is the one that the parameters were trained with, engine how its updates
were executed, and together how many seeds were trained in one computation, whose train_seconds are
shared out among them. peak_bytes is the most
memory that the process held, or, on a CUDA device, its tensors. external says that the answers came
from elsewhere.
"""

EARLIER = tuple(name for name in COLUMNS if name != "mse_row")
"""The columns of results.csv as earlier versions wrote it."""
REFERENCED = ("skill", "mse_trivial", "mse_row", "mse_best", "mse_best_uncertainty")
"""Those that are computed when results are collected, not stored with a run."""
KEY = ("run_key", "settings", "size", "difficulty", "problems", "steps", "selection")
TEXTS = ("run_key", "difficulty", "selection", "task", "method", "status", "error", "settings")
FLAGS = ("dirty", "external")
SAME = ("commit", "torch", "device", "dtype", "engine", "python", "torch_geometric", "numpy")
MADE = (
    *SAME,
    "driver",
    "created",
    "dirty",
    "threads",
    "together",
    "evaluation_seconds",
)
NEEDED = (*KEY, "task", "method", "seed", "status", "protocol", "external")
STATUSES = ("ok", "failed", "timeout", "diverged")


def read_results(folder: Path, made: bool = True, earlier: bool = False) -> pd.DataFrame:
    """results.csv of a folder; without what a row was ``made`` by it takes half of the memory.

    earlier: also one that an earlier version wrote, whose rows are in the folder's runs.
    Raises UsageError, which names the row, if it is missing or not one of ours.
    """
    path = folder / "results.csv"
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another one with --out.")
    if not path.exists():
        raise UsageError(f"There is no {path}. Run a sweep with --out {folder} first.")
    try:
        header = tuple(pd.read_csv(path, nrows=0).columns)
        _check_header(path, header, earlier)
        frame = pd.read_csv(
            path,
            usecols=[name for name in header if made or name not in MADE],
            dtype=dict.fromkeys(TEXTS, "str"),
            keep_default_na=False,  # a method may be called NA
            na_values={name: [""] for name in COLUMNS if name not in TEXTS},
        )
    except UsageError:  # which is a ValueError too
        raise
    except (ValueError, UnicodeDecodeError, OSError) as error:
        raise UsageError(f"{path} cannot be read as CSV: {error}.") from error
    for wrong, what in _wrong(frame):
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            said = what.format(**frame.iloc[row])
            raise UsageError(f"{path}, row {row + 1}: {said} It was left as it is.")
    return frame


def _check_header(path: Path, header: tuple[str, ...], earlier: bool) -> None:
    if header == EARLIER and not earlier:
        raise UsageError(
            f"{path} was written by an earlier version of this suite. To make it again from the "
            f"runs beside it: python -m benchmarks.results collect {path.parent}"
        )
    if header not in (COLUMNS, EARLIER):
        raise UsageError(
            f"{path} is not a results.csv of this suite: its columns are other ones. It was left "
            "as it is; choose another folder with --out."
        )


def _wrong(frame: pd.DataFrame) -> Iterator[tuple[pd.Series, str]]:
    """Which rows cannot be taken, and why."""
    yield frame["schema"] != SCHEMA, f"schema {{schema}}; this suite reads {SCHEMA} alone."
    for name in frame.columns.difference([*TEXTS, *SAME, *FLAGS, "driver", "created"]):
        if not pd.api.types.is_numeric_dtype(frame[name]):
            number = pd.to_numeric(frame[name], errors="coerce")
            yield number.isna() & frame[name].notna(), f"{name} is {{{name}!r}}, not a number."
    for name in frame.columns.intersection(FLAGS):
        if frame[name].dtype != bool:
            flag = frame[name].astype(str).isin(["True", "False"]) | frame[name].isna()
            yield ~flag, f"{name} is {{{name}!r}}, not True or False."
    for name in frame.columns.intersection(NEEDED):
        yield frame[name].isna() | (frame[name] == ""), f"there is no {name}."
    yield ~frame["status"].isin(STATUSES), f"status {{status!r}} is none of {', '.join(STATUSES)}."
    finite = np.isfinite(frame["mse"].astype(float))
    yield (frame["status"] == "ok") & ~finite, "status ok, but mse is {mse}."
    yield frame.duplicated([*KEY]), f"the same {', '.join(KEY)} as in an earlier one."
