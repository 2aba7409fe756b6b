"""Does a result come again? ``python -m benchmarks.verify DIR``."""

from __future__ import annotations

import json
import secrets
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer

from benchmarks.cli import Plugins, run_command
from benchmarks.distribute import run_all
from benchmarks.errors import UsageError
from benchmarks.evaluation import rows as rows_of
from benchmarks.evaluation import trace
from benchmarks.inference import Inference
from benchmarks.problems import Posed, variance_of_answers
from benchmarks.registry import load_plugins
from benchmarks.runs import Evaluation, Run
from benchmarks.store import CASE, MEASURED, ROWS, Store, opened, same_value
from benchmarks.training import UNREADABLE, Execution, load
from irem_core.checkpoint import CONFIG
from irem_core.engine import ENGINES
from irem_core.method import Method
from irem_core.precision import DTYPES, precision

RANDOM = "random"
ALIKE = ("device", "threads", "torch", "engine", "together")
"""What two runs of one key have in common if their numbers are to be the same in every bit."""
BITS, WITHIN, NO = "in every bit", "within the interval", "no"
THREE_ERRORS = 3 / 1.96  # of a half width of 95 %
ROUNDING = 1e-6  # of the variance of the answers: as much as other libraries may round otherwise

Rows = list[dict[str, Any]]


def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of results.")],
    run: Annotated[
        str, typer.Option(metavar="KEY", help=f"The key of a run, or how it begins; or {RANDOM}.")
    ] = RANDOM,
    seed: Annotated[int, typer.Option(min=0, help=f"Decides which run {RANDOM} is.")] = 0,
    longest: Annotated[
        float, typer.Option(help=f"With {RANDOM}: the seconds that the run may have taken.")
    ] = 600.0,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Test the trained parameters on problems nobody has seen."),
    ] = False,
    plugins: Plugins = None,
) -> None:
    """Run a run of a folder again, from its key alone, and say whether its numbers come again.

    With --fresh nothing is trained: the parameters of the folder are tested on problems of a seed
    that is drawn and printed now, and the errors agree if they are within three standard errors.

    On the same device, with as many threads and the same torch, they are the same in every bit;
    elsewhere the last errors lie within the intervals that were written down, which are over test
    problems: a training on graphs, in which rounding grows, can leave them. The exit code is 1 if
    they do not come again.
    """
    load_plugins(plugins)
    store = opened(folder)
    measured = store.frame()
    measured = measured[measured["mse"].notna() & ~measured["external"].astype(bool)]
    key = _drawn(measured, seed, longest) if run == RANDOM else _named(measured, run)
    again, before = _from_key(store, key), _evaluations(store, key)
    if fresh:
        _say_whether_fresh_errors_agree(store, again, before)
        return
    trained = _trained(store, key) or before[0][0]
    print(f"{key}: {again}; made {trained['created']} by commit {trained['commit'] or 'unknown'}.")
    after, trained_now = _run_again(again, [_evaluation(rows) for rows in before], trained)
    rounding = ROUNDING * variance_of_answers(again.task)
    pairs_of_rows = [*zip(before, after, strict=True)]
    table = pd.DataFrame(_compared(old, new, rounding) for old, new in pairs_of_rows)
    print(table.to_markdown(index=False))
    pairs = [(trained, trained_now or after[0][0])]
    pairs += [(old[0], new[0]) for old, new in pairs_of_rows]
    if not _is_as_promised({*table["again"]}, _differing(pairs)):
        raise typer.Exit(1)


def _say_whether_fresh_errors_agree(store: Store, run: Run, before: list[Rows]) -> None:
    """Test a run's parameters on new problems. Raises UsageError if they are not in the folder."""
    seed = secrets.randbits(32)
    print(f"{run.key}: {run}, on fresh problems of seed {seed}.")
    method, _ = load(store.run_folder(run.key), torch.device("cpu"))
    posed = Posed(run, method, _no_part, purpose=("fresh", seed))
    table = pd.DataFrame([_on_fresh_problems(posed, run, rows) for rows in before])
    print(table.to_markdown(index=False))
    if not (table["agree"] == "yes").all():
        print("The errors do not agree: they differ by more than three standard errors.")
        raise typer.Exit(1)
    print("The errors agree.")


def _on_fresh_problems(posed: Posed, run: Run, before: Rows) -> dict[str, Any]:
    """The last answer at the largest budget, as it was and on fresh problems."""
    old, evaluation = _end(before), _evaluation(before)
    batch = posed.problems(evaluation).to(torch.device("cpu"), DTYPES[run.dtype])
    method = evaluation.inference.of(posed.method)
    with precision(run.dtype, torch.device("cpu")):
        result = trace(method, batch, max(evaluation.steps), variance_of_answers(run.task))
    new = _end(rows_of(result, evaluation.with_steps([old["steps"]])))
    halves = [(row["mse_ci_high"] - row["mse_ci_low"]) / 2 for row in (old, new)]
    rounding = ROUNDING * variance_of_answers(run.task)
    agree = abs(old["mse"] - new["mse"]) <= THREE_ERRORS * np.hypot(*halves) + rounding
    both_diverged = not np.isfinite(old["mse"]) and not np.isfinite(new["mse"])
    return {
        **_about(old),
        "mse": f"{old['mse']:.6g}",
        "mse on fresh problems": f"{new['mse']:.6g}",
        "agree": "yes" if agree or both_diverged else "no",
    }


def _no_part(run: Run) -> Method:
    raise AssertionError(f"no expression is tested, so {run} is not needed")


def _end(rows: Rows) -> dict[str, Any]:
    """The row of the last answer at the largest budget."""
    return max((r for r in rows if r["selection"] == "last"), key=lambda r: int(r["steps"]))


def _about(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("size", "difficulty", "steps")}


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
        run = Run.from_config(json.loads(path.read_text(encoding="utf-8")))
        made = run.key
    except UNREADABLE as error:
        raise UsageError(f"{path} does not say what was run: {error}.") from error
    if made != key:
        raise UsageError(
            f"{path} has the key {made} now: it was changed, or this version of the suite runs "
            f"{run.method} in another way."
        )
    return run


def _trained(store: Store, key: str) -> dict[str, Any]:
    """What is known of how a run was trained; nothing of what does not learn."""
    about = json.loads((store.run_folder(key) / CONFIG).read_text(encoding="utf-8"))
    return dict(about.get("training", {}))


def _evaluations(store: Store, key: str) -> list[Rows]:
    """What was measured of a run, but for expressions, which need other runs too."""
    names = sorted(path.parent.name for path in store.run_folder(key).glob(f"*/{ROWS}"))
    found = [store.rows(key, name) for name in names]
    if damaged := found.count([]):
        raise UsageError(
            f"Of {len(names)} tests of {key}, {damaged} are damaged, or their traces are missing; "
            "the sweep that they are of makes them again."
        )
    measured = [[row for row in rows if "mse" in row] for rows in found]
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


def _run_again(
    run: Run, evaluations: list[Evaluation], trained: dict[str, Any]
) -> tuple[list[Rows], dict[str, Any]]:
    """The rows of each evaluation, made here as they were as far as that can be; how it trained.

    Raises UsageError if the run does not finish.
    """
    kind = trained["device"].partition(":")[0]
    there = kind != "cuda" or torch.cuda.is_available()
    engine = trained.get("engine")  # of a run that was cut off it can be two
    how = Execution(
        device=kind if there else "cpu",
        threads=trained["threads"],
        engine=engine if engine in ENGINES else ENGINES[0],
    )
    with TemporaryDirectory() as temporary:
        store = Store(Path(temporary))
        store.prepare()
        run_all([([(run, evaluations)], how)], store, workers=1)
        rows = [store.rows(run.key, each.key(run.task)) for each in evaluations]
        for row in (row for each in rows for row in each if "mse" not in row):
            raise UsageError(f"{run} did not finish: {row['status']}: {row['error']}")
        return rows, _trained(store, run.key)


def _compared(before: Rows, after: Rows, rounding: float) -> dict[str, Any]:
    """The last answer at the largest budget, and whether the numbers of all rows come again."""
    again = {(row["steps"], row["selection"]): row for row in after}
    pairs = [(old, again.get((old["steps"], old["selection"]), {})) for old in before]
    alike = all(same_value(old.get(name), new.get(name)) for old, new in pairs for name in MEASURED)
    old = _end(before)
    new = again.get((old["steps"], old["selection"]), {})
    return {
        **_about(old),
        "mse": f"{old['mse']:.6g} [{old['mse_ci_low']:.6g}, {old['mse_ci_high']:.6g}]",
        "mse now": f"{new.get('mse', float('nan')):.6g}",
        "again": BITS if alike else WITHIN if _is_within(old, new, rounding) else NO,
    }


def _is_within(old: dict[str, Any], new: dict[str, Any], rounding: float) -> bool:
    """Whether an error lies in the interval of an old one, but for ``rounding``.

    What was not finite is not again.
    """
    mse = new.get("mse", float("nan"))
    if not np.isfinite(old["mse"]):
        return not np.isfinite(mse)
    return bool(old["mse_ci_low"] - rounding <= mse <= old["mse_ci_high"] + rounding)


def _differing(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> list[str]:
    """In what the runs, before and now, are not alike."""
    said = (
        f"{name} {old.get(name)}, now {new.get(name)}"
        for old, new in pairs
        for name in ALIKE
        if not same_value(old.get(name), new.get(name))
    )
    return list(dict.fromkeys(said))


def _is_as_promised(again: set[str], differing: list[str]) -> bool:
    """Say what came out of all, and whether that is what is promised."""
    if again == {BITS}:
        print("The numbers come again, in every bit.")
        return True
    ways = f" ({'; '.join(differing)})"
    if differing and NO not in again:
        print(f"The errors come again within their intervals{ways}.")
        return True
    promised = f"within their intervals{ways}" if differing else "in every bit"
    print(f"The numbers do not come again {promised}.")
    return False


if __name__ == "__main__":
    run_command(verify)
