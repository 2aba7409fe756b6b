"""Which examples and energy landscapes figures, tables and the report show.

This module is the only place that selects them: figures, tables and the explorer of the report draw
what it finds, and ``python -m benchmarks.results trim`` keeps what it lists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.cases import Comparison, comparisons, in_method_order
from benchmarks.lines import Cases, Line, answering, lines
from benchmarks.measures import answered
from benchmarks.store import EXAMPLES, LANDSCAPE, find_trace
from irem_core.tasks import Addition, ShortestPath

PICTURES = 6  # answers in one figure
STEPS = 20  # answers to a problem in the explorer and the animation


class Shown(NamedTuple):
    """An evaluation of which a frame is shown: its curve, its folder and the frame."""

    case: str
    line: Line
    evaluation: Path
    frame: pd.DataFrame

    @property
    def label(self) -> str:
        """The condition and the curve, as the title of a figure names them."""
        return f"{self.case}: {self.line.name}"

    @property
    def first_problem(self) -> pd.DataFrame:
        """The rows of the first problem."""
        return self.frame[self.frame["problem"] == 0]


def drawn(results: pd.DataFrame) -> pd.DataFrame:
    """The rows that figures of a comparison draw.

    Of a method that diverges these are the budgets before that: a curve is drawn as far as it is
    finite.
    """
    return results[(results["selection"] == "last") & (results["status"] == "ok")]


def explored(results: pd.DataFrame) -> list[tuple[Comparison, pd.DataFrame]]:
    """The comparisons of the explorer, and of each a row per condition and curve.

    The row is that of the lowest seed with the most steps that it used.
    """
    measured = results["status"].isin(["ok", "diverged"]) & (results["selection"] == "last")
    # a method that diverged in training gave no answers
    measured &= ~((results["status"] == "diverged") & results["steps_used"].isna())
    return [(part, _lowest_seeds(part)) for part in comparisons(results[measured])]


def _lowest_seeds(comparison: Comparison) -> pd.DataFrame:
    rows = comparison.rows.sort_values(["seed", "steps_used"], ascending=[True, False])
    return in_method_order(rows).drop_duplicates(["case", "line"])


def shown_answers(cases: Cases, folder: Path) -> Shown | None:
    """The example of the figure of answers.

    It is of the last condition, the first method that iterates and has examples, its first seed.
    """
    return _first(reversed(answering(cases).items()), folder, EXAMPLES, lambda line: line.iterates)


def shown_paths(cases: Cases, folder: Path) -> Shown | None:
    """The example of the figure of shortest paths: as ``shown_answers``, of the first condition."""

    def suits(line: Line) -> bool:
        row = line.rows.iloc[0]  # between two nodes there are paths
        return line.iterates and row["task"] == ShortestPath.name and row["size"] > 1

    return _first(answering(cases).items(), folder, EXAMPLES, suits)


def shown_landscape(cases: Cases, folder: Path) -> Shown | None:
    """The landscape of the figure of energies.

    It is of the last condition, the first method that has a landscape, its first seed.
    """
    return _first(reversed(answering(cases).items()), folder, LANDSCAPE, lambda line: True)


def _first(
    cases: Iterable[tuple[str, list[Line]]],
    folder: Path,
    name: str,
    suits: Callable[[Line], bool],
) -> Shown | None:
    for case, of_case in cases:
        for line in filter(suits, of_case):
            if found := _of_first_seed(case, line, folder, name):
                return found
    return None


def _of_first_seed(case: str, line: Line, folder: Path, name: str) -> Shown | None:
    found = find_trace(folder, next(line.done.itertuples()), name)
    return None if found is None else Shown(case, line, *found)


def shown_sums(comparison: Comparison, folder: Path) -> list[Shown]:
    """Nested additions by the first method that learned and has all conditions, its first seed.

    One for each condition; empty for anything but sums of sums, or if an example is missing.
    """
    if len(comparison.cases) < 2 or comparison.rows["task"].iloc[0] != Addition.name:
        return []
    by_case = [
        {line.name: line for line in lines(comparison, folder, case) if line.learns}
        for case in comparison.cases
    ]
    done = [{name for name, line in of_case.items() if len(line.done)} for of_case in by_case]
    names = [name for name in by_case[0] if all(name in finished for finished in done)]
    if not names:
        return []
    curves = [of_case[names[0]] for of_case in by_case]
    found = [_of_first_seed(line.case, line, folder, EXAMPLES) for line in curves]
    sums = [shown for shown in found if shown]
    return sums if len(sums) == len(found) else []


def shown_frames(folder: Path, results: pd.DataFrame, report: bool) -> dict[str, set[Path]]:
    """The evaluations whose examples or landscape are shown, by the name of the frame.

    report: whether the explorer of the report counts, beside figures and tables. The tasks of all
        ``results`` must be registered.
    """
    found = [*_in_figures(folder, results), *_in_tables(folder, results)]
    found += _in_explorer(folder, results) if report else []
    return {
        name: {evaluation for frame, evaluation in found if frame == name}
        for name in (EXAMPLES, LANDSCAPE)
    }


def _in_figures(folder: Path, results: pd.DataFrame) -> Iterator[tuple[str, Path]]:
    """Frames that figures show, each by its name and evaluation."""
    for comparison in comparisons(drawn(results)):
        if comparison.nested:
            continue
        cases = {case: lines(comparison, folder, case) for case in comparison.cases}
        for name, found in (
            (EXAMPLES, shown_answers(cases, folder)),
            (EXAMPLES, shown_paths(cases, folder)),
            (LANDSCAPE, shown_landscape(cases, folder)),
        ):
            if found:
                yield name, found.evaluation


def _in_tables(folder: Path, results: pd.DataFrame) -> Iterator[tuple[str, Path]]:
    for comparison in comparisons(answered(results)):
        if comparison.nested:
            yield from ((EXAMPLES, shown.evaluation) for shown in shown_sums(comparison, folder))


def _in_explorer(folder: Path, results: pd.DataFrame) -> Iterator[tuple[str, Path]]:
    for _, rows in explored(results):
        for row in rows.itertuples():
            if found := find_trace(folder, row, EXAMPLES):
                yield EXAMPLES, found[0]


def picture_steps(last: int) -> list[int]:
    """At most PICTURES steps, the start and the last one among them, close at first."""
    return np.unique(np.geomspace(1, last + 1, PICTURES).round().astype(int) - 1).tolist()


def explorer_steps(last: int, at_most: int = STEPS) -> list[int]:
    """At most STEPS steps up to the last one, or fewer of the same steps."""
    steps = spread(last + 1, STEPS)
    places = np.linspace(0, len(steps) - 1, min(at_most, len(steps))).round().astype(int)
    return [steps[place] for place in places]


def example_steps(last: int) -> list[int]:
    """All steps at which the answers to an example are shown."""
    return sorted({*explorer_steps(last), *picture_steps(last)})


def shown_part(examples: pd.DataFrame) -> pd.DataFrame:
    """What is shown of the first problem of an evaluation's examples."""
    answers = examples["kind"] == "answer"
    steps = example_steps(int(examples.loc[answers, "step"].max()))
    return examples[(examples["problem"] == 0) & (~answers | examples["step"].isin(steps))]


def spread(count: int, at_most: int) -> list[int]:
    """The first of ``count`` places, the last, and some between, evenly on a logarithmic scale."""
    places = np.geomspace(1, count, min(at_most, count)).round().astype(int) - 1
    for place, following in pairwise(range(len(places))):  # where they are less than 1 apart
        places[following] = max(places[following], places[place] + 1)
    return places.tolist()
