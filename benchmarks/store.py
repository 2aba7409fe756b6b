"""A folder of results: one folder a run, and what is made from them.

DIR/results.csv                        made from all that is below
DIR/references.csv                     what the errors on every test set are held against
DIR/asked.csv                          the runs that sweeps were to do, done or not
DIR/runs/KEY/config.json               what was run
DIR/runs/KEY/method.safetensors        its parameters, written when training is done
DIR/runs/KEY/state-RATE.safetensors    training with a learning rate so far, while it is not
DIR/runs/KEY/curve.csv                 the training curve, of every learning rate
DIR/runs/KEY/EVALUATION/trace.parquet  every test problem after every step
DIR/runs/KEY/EVALUATION/errors.parquet       where the trace was cut, of every problem the last
DIR/runs/KEY/EVALUATION/examples.parquet     the first problems, with their answers
DIR/runs/KEY/EVALUATION/landscape.parquet    the energy around the descent on the first problem
                                       (``trim`` keeps of these two what is shown: see shown.py)
DIR/runs/KEY/EVALUATION/starts.parquet       of a search with restarts, what each start came to
DIR/runs/KEY/EVALUATION/rows.json      its rows of results.csv, written last
DIR/working/                           locks and progress of the runs that are executed now

A file that is not what it should be is set aside under another name, NAME.damaged, by whoever makes
it again.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import BaseFileLock, FileLock, Timeout

from benchmarks.errors import UsageError
from benchmarks.references import UNKNOWN, references, test_set, trained_on
from benchmarks.schema import COLUMNS, REFERENCED, SCHEMA, read_results
from irem_core.checkpoint import CONFIG, write_whole

log = logging.getLogger(__name__)

ROWS, TRACE, EXAMPLES = "rows.json", "trace.parquet", "examples.parquet"
LANDSCAPE, STARTS = "landscape.parquet", "starts.parquet"  # of some evaluations
ERRORS = "errors.parquet"  # of those that were trimmed
CASE = ("settings", "size", "difficulty", "problems")
"""What the evaluations of one run differ in."""
ASKED = ("task", "method", "seed", "run_key")
"""The columns of asked.csv."""
MEASURED = ("mse", "solve_rate", "energy", "steps_used", "status")
"""The columns of a row that its key decides, on the same kind of device."""
LEVEL = 15  # of zstd; level 19 saves at most 1 % more and takes five times as long
REFERENCE_NEEDS = ("run_key", "task", "external", *CASE)
"""The columns that say which test set a row is about."""
OWN = (*CASE, "steps")
"""What says of which evaluation a row is; those of expressions differ in their steps too."""


class Store:
    """The results under one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.csv = folder / "results.csv"
        self.working = folder / "working"
        self.asked_csv = folder / "asked.csv"

    def ask(self, runs: pd.DataFrame) -> None:
        """Note that runs are to be done, a row each with the columns of ``ASKED``."""
        self.working.mkdir(parents=True, exist_ok=True)
        with self._file_lock("results"):
            every = pd.concat([self.asked(), runs]).drop_duplicates("run_key")
            every = every.sort_values([*ASKED], ignore_index=True)
            write_whole(self.asked_csv, every.to_csv(index=False).encode())

    def asked(self) -> pd.DataFrame:
        """The runs that were ever asked for; none where no sweep has said so."""
        if not self.asked_csv.exists():
            return pd.DataFrame(columns=[*ASKED])
        texts = dict.fromkeys(("task", "method", "run_key"), "str")
        return pd.read_csv(self.asked_csv, dtype=texts, keep_default_na=False)

    def run_folder(self, run_key: str) -> Path:
        return self.folder / "runs" / run_key

    def lock(self, run_key: str) -> BaseFileLock:
        """Held by whoever executes the run; the system frees it when its process ends."""
        return self._file_lock(run_key)

    def _file_lock(self, name: str) -> BaseFileLock:
        """A lock that every user of the folder can take."""
        return FileLock(self.working / f"{name}.lock", mode=0o666)

    def progress_file(self, run_key: str) -> Path:
        return self.working / f"{run_key}.progress"

    def is_free(self, run_key: str) -> bool:
        """Whether no process is at a run."""
        try:
            with self.lock(run_key).acquire(blocking=False):
                return True
        except Timeout:
            return False

    def progress(self) -> dict[str, int]:
        """Updates done, of the runs that are training now."""
        done = {}
        for path in self.working.glob("*.progress"):
            if self.is_free(path.stem):  # it was left by a process that was killed
                continue
            with suppress(FileNotFoundError):  # the run has just been trained
                done[path.stem] = int(path.read_text())
        return done

    def prepare(self) -> None:
        """Make the folder, and refuse one that holds what a sweep would overwrite.

        Raises UsageError if the folder cannot be written, or if its results.csv is not one of ours
        or has rows of runs that are not in it; nothing is changed then.
        """
        _check_path(self.folder)
        if self.csv.exists():
            self._check_csv()
        elif (self.folder / "table.md").exists():
            raise UsageError(f"{self.folder} holds a table.md but no results.csv: not one of ours.")
        for inner in (self.folder / "runs", self.folder / "figures", self.working):
            try:
                inner.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(f"The folder {inner} cannot be made: {error.strerror}.") from error
            if not os.access(inner, os.W_OK):
                raise UsageError(f"The folder {inner} cannot be written.")

    def rows(self, run_key: str, evaluation_key: str) -> list[dict[str, Any]]:
        """The rows of an evaluation; none if it has not been finished, or a file is damaged."""
        folder = f"{self.folder}/runs/{run_key}/{evaluation_key}"  # thousands are asked for
        try:
            rows = _read_rows(f"{folder}/{ROWS}", run_key)
        except DamagedError:
            return []
        if not any("mse" in row for row in rows):
            return rows
        return rows if _is_whole(f"{folder}/{TRACE}") and not _cut_off(folder) else []

    def mend(self, run_key: str, evaluation_key: str) -> None:
        """Set aside what is damaged of an evaluation; to be called by whoever holds the lock."""
        folder = self.run_folder(run_key) / evaluation_key
        try:
            measured = any("mse" in row for row in _read_rows(folder / ROWS, run_key))
        except DamagedError as error:
            set_aside(folder / ROWS, str(error))
            return
        if not measured:
            return
        if not _is_whole(folder / TRACE):
            set_aside(folder / TRACE, "is missing, or not there to its end")
        for name in _cut_off(folder):
            set_aside(folder / name, "is not there to its end")

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
            write_frame(folder / name, frame)
        write_whole(folder / ROWS, json.dumps(rows, indent=1).encode())

    def frame(self) -> pd.DataFrame:
        """All rows there are now, in an order of their own; what is damaged is named.

        Without what is computed when they are collected.
        """
        columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        for path in self.folder.glob(f"runs/*/*/{ROWS}"):
            try:
                for row in _read_rows(path, path.parent.parent.name):
                    for name, values in columns.items():  # not rows, which take ten times as much
                        value = None if name in REFERENCED else row.get(name)
                        values.append(sys.intern(value) if isinstance(value, str) else value)
            except DamagedError as error:
                log.warning("%s %s; the sweep that it is of will make it again", path, error)
        order = [
            "task",
            "size",
            "method",
            "run_key",
            "settings",
            "difficulty",
            "steps",
            "selection",
        ]
        frame = pd.DataFrame(columns)
        return frame.sort_values(order, key=_sortable, ignore_index=True)

    def collect(self, removed: Collection[str] = ()) -> pd.DataFrame:
        """Make results.csv from all runs of the folder, and return it.

        Raises UsageError if the one that is there is not ours, or has rows that would be lost,
        other than those of runs that were ``removed``.
        """
        self.working.mkdir(parents=True, exist_ok=True)
        with self._file_lock("results"):  # of two, the one with more rows is the last
            if self.csv.exists():
                self._check_csv(removed)
            frame = self._referenced(self.frame())
            write_whole(self.csv, frame.to_csv(index=False).encode())
            return read_results(self.folder)

    def _referenced(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows with their skill and reference errors, which runs that were not trained lack."""
        config = cache(self._config)

        def name(row: dict[str, Any]) -> str | None:
            task = trained_on(row) if row["external"] else config(row["run_key"])
            return None if task is None else test_set(task, row)

        names = [name(row) for row in frame[[*REFERENCE_NEEDS]].to_dict("records")]
        known = references(self.folder, [each for each in names if each is not None])
        errors = frame["mse"].astype(float)
        columns = [
            (UNKNOWN if each is None else known[each]).columns(mse)
            for each, mse in zip(names, errors, strict=True)
        ]
        added = pd.DataFrame(columns, index=frame.index, columns=[*REFERENCED])
        return frame.assign(**{name: added[name] for name in REFERENCED})

    def _config(self, run_key: str) -> dict[str, Any] | None:
        """Name and values of the task of a run; None where there is no file, or a damaged one."""
        path = self.run_folder(run_key) / CONFIG
        try:
            return dict(json.loads(path.read_text(encoding="utf-8"))["task"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be read, so its run has no skill: %r", path, error)
            return None

    def _check_csv(self, removed: Collection[str] = ()) -> None:
        keys = set(read_results(self.folder, earlier=True)["run_key"]) - set(removed)
        missing = [key for key in keys if not self.run_folder(key).is_dir()]
        if missing:
            raise UsageError(
                f"{self.csv} has rows of {len(missing)} runs that are not in {self.folder / 'runs'}"
                " and would be lost. Move it away, or choose another folder with --out."
            )


def opened(folder: Path) -> Store:
    """The results of a folder. Raises UsageError if it has none."""
    _check_path(folder)
    if not (folder / "runs").is_dir():
        raise UsageError(f"{folder} is no folder of results: there is no {folder / 'runs'}.")
    return Store(folder)


def _check_path(folder: Path) -> None:
    """Raise UsageError for a path that the files of results cannot be read by."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"The path of {folder} is not UTF-8, which Parquet and safetensors need: choose "
            "another folder."
        ) from error


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a Parquet file completely or not at all.

    The bytes of floating-point columns are split into streams, which compress to about 60 % of the
    size of a dictionary of their values. Values are equal bit for bit when they are read.
    """
    table = pa.Table.from_pandas(frame, preserve_index=False)
    floats, others = _leaves(table.schema)
    buffer = BytesIO()
    pq.write_table(
        table,
        buffer,
        compression="zstd",
        compression_level=LEVEL,
        use_dictionary=others,
        use_byte_stream_split=floats,
    )
    write_whole(path, buffer.getvalue())


def _leaves(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """The Parquet columns of floating-point numbers, lists of them included, and all others."""
    floats: list[str] = []
    others: list[str] = []
    for field in schema:
        nested = pa.types.is_list(field.type)
        values = field.type.value_type if nested else field.type
        leaf = f"{field.name}.list.element" if nested else field.name
        (floats if pa.types.is_floating(values) else others).append(leaf)
    return floats, others


def same_value(one: Any, other: Any) -> bool:
    """Whether two values of rows are the same, or both not a number."""
    return one == other or (one != one and other != other)


class DamagedError(ValueError):
    """A file does not hold what it should."""


def set_aside(path: Path, why: str) -> None:
    """Give a damaged file another name, and say so; it will be made again."""
    names = (path.with_name(f"{path.name}.damaged{i or ''}") for i in itertools.count())
    aside = next(name for name in names if not name.exists())
    try:
        path.replace(aside)
        log.warning("%s %s: set aside as %s, to be made again", path, why, aside.name)
    except FileNotFoundError:
        log.warning("%s %s: to be made again", path, why)


def _read_rows(path: str | Path, run_key: str) -> list[dict[str, Any]]:
    """The rows of a run in a file, none if there is no file.

    Raises DamagedError for anything else than rows of its run, and UsageError for rows of another
    schema or a file that cannot be opened.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123
            rows = json.loads(file.read())
        schemas = {row["schema"] for row in rows}
        ours = all(row["run_key"] == run_key and "steps" in row for row in rows)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedError("holds no rows of results") from error
    if schemas - {SCHEMA}:
        raise UsageError(f"{path} has rows of another schema than {SCHEMA}: {schemas}.")
    if not ours or not all(set(row) <= set(COLUMNS) for row in rows):
        raise DamagedError("holds rows that are not of this run")
    return rows


def _cut_off(folder: str | Path) -> list[str]:
    """Those frames of an evaluation that it can do without, but that are not there to their end."""
    names = (EXAMPLES, ERRORS, LANDSCAPE, STARTS)
    there = [name for name in names if os.path.lexists(f"{folder}/{name}")]
    return [name for name in there if not _is_whole(f"{folder}/{name}")]


def _is_whole(frame: str | Path) -> bool:
    """Whether a Parquet file is there to its end."""
    try:
        with open(frame, "rb", buffering=0) as file:  # noqa: PTH123
            if file.seek(0, os.SEEK_END) < 8:
                return False
            file.seek(-4, os.SEEK_END)
            return file.read() == b"PAR1"
    except FileNotFoundError:
        return False
    except OSError as error:
        raise UsageError(f"{frame} cannot be read: {error.strerror}.") from error


def read_trace(folder: Path, row: Any, name: str = TRACE) -> pd.DataFrame | None:
    """The trace behind a row of results, or another frame; None if it is not there, or damaged."""
    found = find_trace(folder, row, name)
    return None if found is None else found[1]


def find_trace(folder: Path, row: Any, name: str = TRACE) -> tuple[Path, pd.DataFrame] | None:
    """The folder of the evaluation behind a row of results, and what ``read_trace`` reads."""
    wanted = tuple(str(getattr(row, column)) for column in OWN)
    for path in sorted((folder / "runs" / row.run_key).glob(f"*/{ROWS}")):
        try:
            rows = _read_rows(path, row.run_key)
            there = {tuple(str(each[column]) for column in OWN) for each in rows}
        except DamagedError:
            continue
        frame = path.with_name(name)
        if wanted in there and _is_whole(frame):
            try:
                return path.parent, pd.read_parquet(frame)
            except (OSError, ValueError) as error:
                log.warning("%s cannot be read as Parquet: %s", frame, error)
    return None


def _sortable(column: pd.Series) -> pd.Series:
    return column.astype(str) if column.dtype == object else column
