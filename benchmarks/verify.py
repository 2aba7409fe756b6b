"""Does a result come again? ``python -m benchmarks.verify DIR``."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.cli import Plugins, run_command
from benchmarks.distribute import run_all
from benchmarks.errors import UsageError
from benchmarks.inference import Inference
from benchmarks.registry import load_plugins
from benchmarks.results import MEASURED, Folder, by_case, existing, same
from benchmarks.runs import Evaluation, Run
from benchmarks.store import CASE, ROWS, Store
from benchmarks.training import UNREADABLE, Execution
from irem_core.checkpoint import CONFIG

RANDOM = "random"
ALIKE = ("device", "threads", "torch", "engine", "together")
"""What two runs of one key have in common if their numbers are to be the same in every bit."""
BITS, WITHIN, NO = "in every bit", "within the interval", "no"

Rows = list[dict[str, Any]]


def verify(
    folder: Folder,
    run: Annotated[
        str, typer.Option(metavar="KEY", help=f"The key of a run, or how it begins; or {RANDOM}.")
    ] = RANDOM,
    seed: Annotated[int, typer.Option(min=0, help=f"Decides which run {RANDOM} is.")] = 0,
    longest: Annotated[
        float, typer.Option(help=f"Seconds that the run which {RANDOM} is took at most.")
    ] = 600.0,
    plugins: Plugins = None,
) -> None:
    """Run a run of a folder again, from its key alone, and say whether its numbers come again.

    With the same device, number of threads and torch they are the same in every bit; else the
    errors lie within the intervals that were written down. If they do not, the exit code is 1.
    """
    load_plugins(plugins)
    store = existing(folder)
    measured = store.frame()
    measured = measured[measured["mse"].notna() & ~measured["external"].astype(bool)]
    key = _drawn(measured, seed, longest) if run == RANDOM else _named(measured, run)
    again, before = _from_key(store, key), _evaluations(store, key)
    made = before[0][0]
    print(f"{key}: {again}; made {made['created']} by commit {made['commit'] or 'unknown'}.")
    after = _run_again(again, [_evaluation(rows) for rows in before], made)
    table = pd.DataFrame(_compared(old, new) for old, new in zip(before, after, strict=True))
    print(table.to_markdown(index=False))
    if not _is_as_it_should_be({*table["again"]}, _differing(made, after[0][0])):
        raise typer.Exit(1)


def _drawn(rows: pd.DataFrame, seed: int, longest: float) -> str:
    """The key of one of those runs that took no longer."""
    once = rows.drop_duplicates(["run_key", *CASE]).groupby("run_key")
    seconds = once["evaluation_seconds"].sum() + once["train_seconds"].first()
    short = sorted(seconds.index[seconds <= longest])
    if not short:
        raise UsageError(f"None of {len(seconds)} runs took up to {longest:g} s; see --longest.")
    print(f"One of those {len(short)} of {len(seconds)} runs that took up to {longest:g} s:")
    return str(np.random.default_rng(seed).choice(short))


def _named(rows: pd.DataFrame, key: str) -> str:
    keys = [each for each in rows["run_key"].unique() if each.startswith(key)]
    if len(keys) != 1:
        raise UsageError(
            f"--run takes {RANDOM}, or the key of a run with a result, or how it begins; "
            f"{len(keys)} keys begin with {key!r}."
        )
    return str(keys[0])


def _from_key(store: Store, key: str) -> Run:
    """The run that the key is the hash of."""
    path = store.run_folder(key) / CONFIG
    try:
        run = Run.from_config(json.loads(path.read_text()))
        made = run.key
    except UNREADABLE as error:
        raise UsageError(f"{path} does not say what was run: {error}.") from error
    if made != key:
        raise UsageError(
            f"{path} has the key {made} now: it was changed, or this version of the suite runs "
            f"{run.method} in another way."
        )
    return run


def _evaluations(store: Store, key: str) -> list[Rows]:
    """What was measured of a run, but for expressions, which need other runs too."""
    names = sorted(path.parent.name for path in store.run_folder(key).glob(f"*/{ROWS}"))
    measured = [[row for row in store.rows(key, name) if "mse" in row] for name in names]
    each = [rows for rows in measured if rows]
    alone = [rows for rows in each if "expression" not in json.loads(rows[0]["settings"])]
    if not alone:
        raise UsageError(f"{key} was tested by expressions alone, which need other runs too.")
    if left := len(each) - len(alone):
        print(f"Left out are {left} tests by expressions, which need other runs too.")
    return alone


def _evaluation(rows: Rows) -> Evaluation:
    """How the rows were measured."""
    first, settings = rows[0], json.loads(rows[0]["settings"])
    asked = {f.name: settings[f.name] for f in fields(Inference) if f.name in settings}
    return Evaluation(
        first["size"],
        first["difficulty"],
        first["problems"],
        tuple(sorted({row["steps"] for row in rows})),
        Inference.said(asked),
    )


def _run_again(run: Run, evaluations: list[Evaluation], made: dict[str, Any]) -> list[Rows]:
    """The rows of each evaluation, executed here as those that were made."""
    device = made["device"].partition(":")[0]
    how = Execution(device, made["threads"], made["engine"] or "eager")
    with TemporaryDirectory() as temporary:
        store = Store(Path(temporary))
        store.prepare()
        run_all([([(run, evaluations)], how)], store, workers=1)
        return [store.rows(run.key, each.key(run.task)) for each in evaluations]


def _compared(before: Rows, after: Rows) -> dict[str, Any]:
    """The last answer at the largest budget, and whether all rows of its evaluation come again."""
    again = by_case(after)
    ends = [(old, again.get(case, {})) for case, old in by_case(before).items()]
    alike = all(same(old.get(name), new.get(name)) for old, new in ends for name in MEASURED)
    near = all(_is_within(old, new.get("mse")) for old, new in ends)
    last, new = max(
        (each for each in ends if each[0]["selection"] == "last"),
        key=lambda each: each[0]["steps"],
    )
    interval = f"[{last['mse_ci_low']:.6g}, {last['mse_ci_high']:.6g}]"
    return {
        "size": last["size"],
        "difficulty": last["difficulty"],
        "steps": last["steps"],
        "mse": f"{last['mse']:.6g} {interval}",
        "mse now": f"{new.get('mse', float('nan')):.6g}",
        "rows": len(ends),
        "again": BITS if alike else WITHIN if near else NO,
    }


def _is_within(old: dict[str, Any], mse: float | None) -> bool:
    """Whether an error lies in the interval of an old one; no number comes again as none."""
    if not np.isfinite(old["mse"]):
        return mse is not None and not np.isfinite(mse)
    return mse is not None and old["mse_ci_low"] <= mse <= old["mse_ci_high"]


def _differing(made: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{name} {made.get(name)}, now {now.get(name)}"
        for name in ALIKE
        if not same(made.get(name), now.get(name))
    ]


def _is_as_it_should_be(again: set[str], differing: list[str]) -> bool:
    """Say what came out of all, and whether that is what is promised."""
    if again == {BITS}:
        print("The numbers come again, in every bit.")
        return True
    if differing and NO not in again:
        print(f"The errors come again within their intervals ({'; '.join(differing)}).")
        return True
    promised = f"within their intervals ({'; '.join(differing)})" if differing else "in every bit"
    print(f"The numbers do not come again {promised}.")
    return False


if __name__ == "__main__":
    run_command(verify)
