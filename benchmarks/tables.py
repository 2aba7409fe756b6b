"""Tables from results.csv and traces: ``python -m benchmarks.tables DIR``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
import typer

from benchmarks.cases import (
    at_largest_budget,
    comparisons,
    file_name,
    in_method_order,
    is_nested,
)
from benchmarks.cli import Plugins, run_command
from benchmarks.measures import PRICES, answered, measures
from benchmarks.metrics import Array
from benchmarks.registry import METHODS, learns, load_plugins, task_named
from benchmarks.schema import read_results
from benchmarks.stats import (
    interquartile_mean,
    interquartile_mean_interval,
    probability_of_improvement,
)
from benchmarks.store import CASE, Store
from benchmarks.text import latex, markdown
from benchmarks.written import written_out
from irem_core.checkpoint import write_whole

NAME = "table.md"
NUMBERS = "measures.csv"
DIGITS = "%.8g"  # rounding, which differs between processors, rarely comes as far
ERRORS = """\
Mean squared error of the last answer at the largest step budget, and of a method that halts by
itself what is to be expected when it does; in brackets the 95 % interval over {over}. In bold the
lowest of what learned, where the interval of its difference to each other, on the same problems, is
above 0. An empty cell was not run."""
COSTS = """\
Skill: 1 the algorithm, 0 no better than the best trivial predictor. Steps, parameters (those that
are trained), operations (floating-point, for one step of one problem) and seconds of training: the
most in the line."""
SKILLS = """\
Skill, (trivial - error) / (trivial - best known): 1 the algorithm, 0 no better than the best
trivial predictor on the same problems, less is worse; in brackets the 95 % interval over {over}.
An empty cell was not run, or has no known best error."""
STEPS = f"""\
Anytime: area under error against the logarithm of operations. Overthinking: error of the last
answer above that of the best on the way. Target: steps until a problem is solved and stays so, and
the share of problems that have such a step. More than: how much more it errs after equal
operations, the most that both can spend (who is done keeps its answer). Halting skill, of the
method's own rule when to stop: 1 the best step of each problem, 0 one step for all (that is chosen
on the other half of the test problems), where taking all steps costs {
    " / ".join(f"{price:g}" for price in PRICES)
} trivial errors; - where there is nothing to gain. Allocation: the error that it
saves that these problems and not others get more steps (of a rule by chance: the most likely step),
and the chance p of that without a reason. Effort: rank correlation, over problems, of how hard one
is and when the rule stops. Energy: rank correlation with the error within a problem, and the share
of steps that raise it. Gradients / energies: of the learned energy, that a descent asked for."""
STARTS = """ Starts: mean error over all starts / where the energy is the lowest / of the best, and
the rank correlation of energy and error over them."""
WRITTEN = """\
The first entry of the first test problem; what was answered is asked about the next time."""
TOGETHER = """\
Interquartile mean of the skill over all runs; with several seeds its 95 % interval over them. And
the share of pairs of a run of {first} and one of the method in which {first} has the smaller error,
a tie counts half, averaged over the cases. {left_out}"""


MISSING = """\
Training runs with a result, of those that sweeps were to do, of every seed and size; of what does
not learn there is one. An empty cell was not to be run."""


class Table(NamedTuple):
    """A table as it is read: cells are text, ``**`` stands around what is in bold."""

    title: str
    name: str
    frame: pd.DataFrame  # the first column says what a row is
    note: str


def result_tables(folder: Path) -> list[Table]:
    """Every table that the results of a folder give, each with what is to be known about it."""
    results = read_results(folder, made=False)
    return _made(folder, results, measures(folder, results))


def write_tables(folder: Path) -> str:
    """Write table.md, and tables/ with the same in LaTeX and as numbers; return the Markdown."""
    results = read_results(folder, made=False)
    numbers = measures(folder, results)
    made = _made(folder, results, numbers)
    text = "\n\n".join([*(_markdown(table) for table in made), *_unfinished(results)]) + "\n"
    (folder / "tables").mkdir(exist_ok=True)
    for table in made:
        write_whole(folder / "tables" / f"{table.name}.tex", _latex(table).encode())
    written = numbers.to_csv(index=False, float_format=DIGITS)
    write_whole(folder / "tables" / NUMBERS, written.encode())
    write_whole(folder / NAME, text.encode())
    return text


def _made(folder: Path, results: pd.DataFrame, numbers: pd.DataFrame) -> list[Table]:
    nested = is_nested(numbers)
    return [
        *_tables(numbers[~nested]),
        *_nested(numbers[nested]),
        *_written_out(folder, results),
        *_together(results),
        *_not_done(Store(folder).asked(), results),
    ]


def _nested(numbers: pd.DataFrame) -> Iterator[Table]:
    """The errors of every expression, side by side how often it was applied."""
    for title, rows in numbers.groupby("comparison", sort=False):
        lines = [*_by_case(rows, _error), *_references(rows)]
        frame = _frame(lines, list(dict.fromkeys(rows["case"])))
        note = ERRORS.format(over=_over(rows))
        yield Table(str(title), file_name(str(title)), frame, note)


def _written_out(folder: Path, results: pd.DataFrame) -> Iterator[Table]:
    for each in comparisons(answered(results)):
        if each.nested and (frame := written_out(each, folder)) is not None:
            title = f"{each.title}: one sum written out"
            yield Table(title, f"{each.name}_written_out", frame, WRITTEN)


def _tables(numbers: pd.DataFrame) -> Iterator[Table]:
    """The paper's two, of errors and of skill; then every comparison by itself."""
    domains = numbers["task"].map(lambda name: task_named(name).domain)
    for size, rows in numbers[domains == "matrix"].groupby("size"):
        yield from _reasoning(f"Matrix reasoning, n = {size}", f"matrix_{size}", rows)
    yield from _reasoning("Graph reasoning", "graph", numbers[domains == "graph"])
    for title, rows in numbers.groupby("comparison", sort=False):
        yield _comparison(str(title), rows)
        yield from _over_steps(str(title), rows)


def _reasoning(title: str, name: str, rows: pd.DataFrame) -> Iterator[Table]:
    """Lines by cases of several tasks, of errors and of skill; of one task they are elsewhere.

    So is every trivial predictor by itself: here the best one stands for all.
    """
    if rows["task"].nunique() < 2:
        return
    tasks = rows["comparison"].str.replace(r", n=\d+", "", regex=True)
    rows = rows.assign(case=tasks + ": " + rows["case"])
    cases = list(dict.fromkeys(rows["case"]))
    shown = rows[~rows["method"].str.startswith("trivial")]
    errors = [*_by_case(shown, _error), *_references(rows)]
    over = _over(rows)
    frame = _frame(errors, cases)
    yield Table(f"{title}: error", f"{name}_error", frame, ERRORS.format(over=over))
    skills = _frame(_by_case(shown[shown["skill"].notna()], _skill), cases)
    yield Table(f"{title}: skill", f"{name}_skill", skills, SKILLS.format(over=over))


def _comparison(title: str, rows: pd.DataFrame) -> Table:
    cases = list(dict.fromkeys(rows["case"]))
    errors = _by_case(rows.assign(case=rows["case"] + ": mse"), _error)
    skills = _by_case(rows.assign(case=rows["case"] + ": skill"), lambda row: _number(row.skill))
    costs = [_costs(of_one) for _, of_one in rows.groupby("line", sort=False)]
    lines = [
        {**mse, **of_skill, **cost}
        for mse, of_skill, cost in zip(errors, skills, costs, strict=True)
    ]
    lines += _references(rows.assign(case=rows["case"] + ": mse"))
    columns = [f"{case}: {what}" for case in cases for what in ("mse", "skill")]
    seeds = ["seeds"] * (rows["seeds"].nunique() > 1)
    frame = _frame(lines, [*columns, *seeds, "steps", "parameters", "operations", "training"])
    return Table(title, file_name(title), frame, ERRORS.format(over=_over(rows)) + "\n" + COSTS)


def _over_steps(title: str, rows: pd.DataFrame) -> Iterator[Table]:
    """What the traces say of methods that learned, a row a case."""
    rows = rows[rows["learns"] & rows[["overthinking", "allocation_gain"]].notna().any(axis=1)]
    if rows.empty:
        return
    lines = [
        {
            "method": row.line,
            "case": row.case,
            "anytime": _number(row.anytime),
            "overthinking": _number(row.overthinking),
            "target": _target(row.target_steps, row.target_share),
            **_against(row),
            "halting skill": _at_prices(row),
            "allocation": _with_p(row.allocation_gain, row.allocation_p),
            "effort": _number(row.effort_correlation),
            "energy: correlation": _number(row.energy_correlation),
            "energy: rises": "" if pd.isna(row.energy_rises) else f"{row.energy_rises:.0%}",
            **_starts(row),
            **_evaluations(row),
        }
        for _, row in rows.iterrows()
    ]
    yield Table(
        f"{title}: over the steps",
        f"{file_name(title)}_steps",
        pd.DataFrame(lines).fillna(""),
        STEPS + STARTS * bool(rows["starts_mean"].notna().any()) + _of_the_first(rows),
    )


def _of_the_first(rows: pd.DataFrame) -> str:
    """Of which problems it is, if not of all."""
    few = rows.loc[rows["traced"] < rows["problems"], "traced"]
    if few.empty:
        return ""
    but = ", but for starts" * bool(rows["starts_mean"].notna().any())
    return f" This table is about the first {few.min():.0f} problems alone{but}."


def _together(results: pd.DataFrame) -> Iterator[Table]:
    """All cases in one number a method, of those methods that were run in all of them."""
    runs = _learned(results)
    cases = runs.groupby(["comparison", "case"]).ngroup().nunique()
    scores = {
        str(line): [of_case for _, of_case in rows.groupby(["comparison", "case"])]
        for line, rows in runs.groupby("line", sort=False)
    }
    scores = {line: each for line, each in scores.items() if len(each) == cases}
    if cases < 2 or len(scores) < 2:
        return
    first = next(iter(scores))
    lines = [
        {
            "method": line,
            "skill": _with_interval(
                interquartile_mean(np.concatenate(_skills(of_cases))),
                *interquartile_mean_interval(_skills(of_cases)),
            ),
            f"{first} errs less": "" if line == first else f"{_wins(scores[first], of_cases):.2f}",
        }
        for line, of_cases in scores.items()
    ]
    title = f"All {cases} cases in one number"
    lacking = [str(line) for line in runs["line"].unique() if line not in scores]
    left_out = f"Left out, with no result in some case: {', '.join(lacking)}." if lacking else ""
    note = TOGETHER.format(first=first, left_out=left_out).strip()
    yield Table(title, "together", pd.DataFrame(lines), note)


def _skills(of_cases: list[pd.DataFrame]) -> list[Array]:
    return [rows["skill"].to_numpy() for rows in of_cases]


def _learned(results: pd.DataFrame) -> pd.DataFrame:
    """The rows of what learned at the largest budgets, where there is a skill."""
    parts = [
        at_largest_budget(each.rows).assign(comparison=each.title)
        for each in comparisons(answered(results))
        if not each.aside
    ]
    if not parts:
        return results.assign(comparison="", case="", line="")
    runs = in_method_order(pd.concat(parts))
    learned = {method for method in runs["method"].unique() if learns(method)}
    return runs[runs["method"].isin(learned) & (runs["status"] == "ok") & runs["skill"].notna()]


def _not_done(asked: pd.DataFrame, results: pd.DataFrame) -> Iterator[Table]:
    """How many of the runs that were asked for are there, if not all."""
    done = asked["run_key"].isin(results.loc[results["mse"].notna(), "run_key"])
    if done.all():
        return
    counts = asked.assign(done=done).groupby(["method", "task"])["done"].agg(["sum", "size"])
    said = counts["sum"].astype(str) + " of " + counts["size"].astype(str)
    frame = said.unstack("task").fillna("").reset_index()
    order = {name: place for place, name in enumerate(METHODS)}
    frame = frame.sort_values("method", key=lambda names: names.map(order), ignore_index=True)
    yield Table(
        "Runs with a result", "runs_with_a_result", frame.rename_axis(columns=None), MISSING
    )


def _wins(first: list[pd.DataFrame], second: list[pd.DataFrame]) -> float:
    pairs = zip(first, second, strict=True)
    return float(np.mean([probability_of_improvement(a["mse"], b["mse"]) for a, b in pairs]))


def _by_case(rows: pd.DataFrame, said: Callable[[Any], str]) -> list[dict[str, str]]:
    """A line a method, a column a case."""
    return [
        {"method": str(name)} | {row.case: said(row) for row in of_one.itertuples()}
        for name, of_one in rows.groupby("line", sort=False)
    ]


def _references(rows: pd.DataFrame) -> list[dict[str, str]]:
    """The best trivial predictor, one linear pass, the best known error, and the headroom."""
    names = ("*best trivial*", "*one linear pass*", "*best known*", "*headroom*")
    trivial, one_pass, best, headroom = ({"method": name} for name in names)
    columns = ["mse_trivial", "mse_row", "mse_best", "mse_best_uncertainty"]
    known = rows.groupby("case")[columns].first()
    for case in known.itertuples():
        trivial[str(case.Index)] = _number(case.mse_trivial)
        one_pass[str(case.Index)] = _number(case.mse_row)
        uncertain = case.mse_best_uncertainty
        best[str(case.Index)] = _number(case.mse_best) + (
            f" ± {uncertain:.1g}" if uncertain > 0 else ""
        )
        headroom[str(case.Index)] = _number(case.mse_trivial - case.mse_best)
    passes = [one_pass] * bool(known["mse_row"].notna().any())
    return [trivial, *passes, best, headroom]


def _costs(rows: pd.DataFrame) -> dict[str, str]:
    return {
        "seeds": f"{rows['seeds'].min()}",
        "steps": _number(rows["steps_used"].max()),
        "parameters": _most(rows["parameters"], "{:,.0f}"),
        "operations": _most(rows["flops"], "{:.2g}"),
        "training": _most(rows["train_seconds"].replace(0, np.nan), "{:.3g} s"),
    }


def _frame(lines: list[dict[str, str]], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(lines, columns=["method", *columns], dtype=object).fillna("")


def _error(row: Any) -> str:
    if row.seeds == 0:
        return "not finite" if row.diverged else "did not finish"
    said = _with_interval(row.mse, row.mse_low, row.mse_high)
    missing = f" ({row.seeds} of {row.asked} seeds)" if row.seeds < row.asked else ""
    return (f"**{said}**" if row.best else said) + missing


def _skill(row: Any) -> str:
    return _with_interval(row.skill, row.skill_low, row.skill_high)


def _with_interval(value: float, low: float, high: float) -> str:
    return _number(value) + ("" if pd.isna(low) else f" [{_number(low)}, {_number(high)}]")


def _target(steps: float, share: float) -> str:
    if pd.isna(share):
        return ""
    return f"{_number(steps)} ({share:.0%})" if share > 0 else "none"


def _against(row: Any) -> dict[str, str]:
    """Under the name of the line that it is held against."""
    if pd.isna(row.matched):
        return {}
    said = _with_interval(row.matched, row.matched_low, row.matched_high)
    return {f"more than {row.against}": said + " (one seed)" * (row.matched_seeds == 1)}


def _starts(row: Any) -> dict[str, str]:
    """Of a search with restarts."""
    if pd.isna(row.starts_mean):
        return {}
    errors = f"{_number(row.starts_mean)} / {_number(row.mse)} / {_number(row.starts_best)}"
    return {"starts: errors": errors, "starts: correlation": _number(row.starts_correlation)}


def _evaluations(row: Any) -> dict[str, str]:
    if pd.isna(row.gradients):
        return {}
    return {"gradients / energies": f"{row.gradients:.0f} / {row.energy_evaluations:.0f}"}


def _at_prices(row: Any) -> str:
    skills = [row[f"halting_skill_{price:g}"] for price in PRICES]
    return "" if all(map(pd.isna, skills)) else " / ".join(_number(each) or "-" for each in skills)


def _with_p(value: float, p_value: float) -> str:
    return "" if pd.isna(value) else f"{_number(value)} (p = {p_value:.2g})"


def _most(values: pd.Series, text: str) -> str:
    return "" if values.isna().all() else text.format(values.max())


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{round(value, 12) + 0.0:.3g}"


def _over(rows: pd.DataFrame) -> str:
    """What the intervals are over, and that with one seed they are not over seeds."""
    over = " or ".join(sorted({*rows["over"].dropna()})) or "nothing"
    return over if "seeds" in over else f"{over}, not over seeds, of which there is one"


def _markdown(table: Table) -> str:
    shown = table.frame.map(markdown).to_markdown(index=False, disable_numparse=True)
    return f"## {table.title}\n\n{shown}\n\n{fill(table.note, 100)}"


def _latex(table: Table) -> str:
    """A table of the package booktabs."""
    # pandas leaves a caption as it is
    text = table.frame.to_latex(index=False, escape=True, caption=latex(table.title))
    text = re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", text)
    return re.sub(r"\*(.+?)\*", r"\\emph{\1}", text).replace("±", r"$\pm$")


def failures(results: pd.DataFrame) -> pd.DataFrame:
    """A row of every run and test that did not finish, is not finite, or is to be looked at."""
    failed = results[(results["status"] != "ok") | (results["error"] != "")]
    return failed.drop_duplicates(["run_key", *CASE])


def _unfinished(results: pd.DataFrame) -> list[str]:
    failed = failures(results)
    if failed.empty:
        return []
    lines = [
        f"- {row.status}: {row.method} on {row.task}, n = {row.size}, {row.difficulty}, "
        f"seed {row.seed}: {' '.join(row.error.split())}"
        for row in failed.itertuples()
    ]
    return ["## Not finished, not finite, or to be looked at", "\n".join(lines)]


def tables(
    folder: Annotated[Path, typer.Argument(help="A folder that a sweep wrote.")],
    plugins: Plugins = None,
) -> None:
    """Make the tables of a folder's results again, and print them."""
    load_plugins(plugins)
    print(write_tables(folder))


if __name__ == "__main__":
    run_command(tables)
