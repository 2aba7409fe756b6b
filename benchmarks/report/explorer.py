"""What the explorer of the page shows: a few problems, and the answers to them step by step.

A page must stay small. Of every line of a table and every case there is one seed, the lowest, its
first PROBLEMS problems, and at most STEPS of its steps: the first ones and the last, and those
between evenly on a logarithmic scale. Every entry of a matrix is one byte:

- Inputs and targets are in 254 even parts of the range that those of the case have; 255 is not
  finite, as own answers that are inputs again can be.
- Answers are given by their error, answer - target, in parts of a quadratic scale, fine where it is
  small: code c from -126 to 126 is an error of sign(c) * reach * (c / 126)^2, where reach is the
  range of the targets; -127 and 127 are larger errors, -128 is not finite. It is stored as c + 128.

Six tasks as in the preset ``paper``, with 14 lines and five sizes of graphs, are 2.7 million
entries, 3.6 MB in base64. Where there is more than BUDGET, fewer steps are kept, and at last fewer
lines. The errors and energies beside the pictures are those of the trace, not of the bytes.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.cases import Comparison
from benchmarks.metrics import Array
from benchmarks.shown import STEPS, explored, explorer_steps
from benchmarks.store import EXAMPLES, TRACE, read_trace

PROBLEMS = 2
FEWER_STEPS = (STEPS, 14, 10, 7, 5)
BUDGET = 5_000_000  # characters
NUMBERS = 50  # characters of a step, its error and its energy
PARTS = 254
LOST = PARTS + 1
LARGEST, NOT_FINITE, ZERO = 126, -128, 128


class Explorer(NamedTuple):
    """What explorer.js reads, and what is to be said about it."""

    comparisons: list[dict[str, Any]]
    steps: int  # kept at most
    left_out: int  # lines that there is no room for
    missing: list[str]  # why lines are not there


class Example(NamedTuple):
    """One problem and the answers to it that are kept."""

    number: int
    x: Array
    target: Array
    steps: list[int]
    answers: Array  # [kept steps, entries]
    errors: list[float | None]
    energies: list[float | None]


def explorer(folder: Path, results: pd.DataFrame, budget: int = BUDGET) -> Explorer:
    """The problems of a folder's results that the page shows."""
    shown = explored(results)
    costs = [lines.apply(_cost, axis=1, result_type="reduce") for _, lines in shown]
    steps, lines_kept = _within(budget, [cost for each in costs for cost in each])
    made, missing, left = [], [], lines_kept
    for comparison, lines in shown:
        cases, why = _cases(folder, comparison, lines[:left], steps)
        left -= min(left, len(lines))
        missing += why
        if cases:
            made.append({"title": comparison.title, "cases": cases})
    return Explorer(made, steps, sum(map(len, costs)) - lines_kept, missing)


def _cost(row: pd.Series) -> dict[int, int]:
    """Characters that a line takes, by how many steps are kept."""
    taken = int(row["steps_used"]) + 1
    one = PROBLEMS * (row["size"] ** 2 * 4 // 3 + NUMBERS)
    return {steps: min(steps, taken) * one for steps in FEWER_STEPS}


def _within(budget: int, costs: Sequence[dict[int, int]]) -> tuple[int, int]:
    """How many steps of how many lines there is room for."""
    for steps in FEWER_STEPS:
        if sum(cost[steps] for cost in costs) <= budget:
            return steps, len(costs)
    fewest = FEWER_STEPS[-1]
    return fewest, int((np.cumsum([cost[fewest] for cost in costs]) <= budget).sum())


def _cases(
    folder: Path, comparison: Comparison, lines: pd.DataFrame, steps: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The cases of a comparison, and why lines are missing."""
    cases, missing = [], []
    for case in comparison.cases:
        examples: dict[str, list[Example]] = {}
        seeds: dict[str, int] = {}
        for row in lines[lines["case"] == case].itertuples():
            trace, own = (read_trace(folder, row, name) for name in (TRACE, EXAMPLES))
            if trace is None or own is None:
                lacking = f"runs/{row.run_key} has no whole trace and examples of it"
                missing.append(f"{row.line} on {comparison.title}, {case}: {lacking}")
                continue
            examples[row.line] = list(_examples(trace, own, steps))
            seeds[row.line] = int(row.seed)
        if examples:
            cases.append({"name": case, **_case(examples, seeds)})
    return cases, missing


def _examples(trace: pd.DataFrame, examples: pd.DataFrame, steps: int) -> Iterator[Example]:
    for number in sorted(examples["problem"].unique())[:PROBLEMS]:
        own = examples[examples["problem"] == number]
        answers = own[own["kind"] == "answer"].sort_values("step")
        answers = answers[answers["step"].isin(explorer_steps(answers["step"].max(), steps))]
        numbers = trace[trace["problem"] == number].set_index("step").reindex(answers["step"])
        yield Example(
            int(number),
            _values(own, "input"),
            _values(own, "target"),
            answers["step"].tolist(),
            np.stack(answers["values"].tolist()).astype(np.float64),
            _exact(numbers["error"]),
            _exact(numbers["energy"]),
        )


def _values(examples: pd.DataFrame, kind: str) -> Array:
    return np.asarray(examples.loc[examples["kind"] == kind, "values"].iloc[0], dtype=np.float64)


def _exact(numbers: pd.Series) -> list[float | None]:
    """Numbers as they are written, which is shorter than float32 as float64; None: not finite."""
    return [float(str(number)) if np.isfinite(number) else None for number in numbers.to_numpy()]


def _case(examples: dict[str, list[Example]], seeds: dict[str, int]) -> dict[str, Any]:
    """What explorer.js reads about a case; the problems' pictures, being the same for all, once."""
    everyone = [example for each in examples.values() for example in each]
    inputs = _range([example.x for example in everyone])
    low, high = values = _range([example.target for example in everyone])
    pictures: dict[str, int] = {}

    def picture(matrix: Array, within: tuple[float, float]) -> int:
        return pictures.setdefault(_picture(matrix, within), len(pictures))

    def problem(example: Example) -> dict[str, Any]:
        size = len(example.target)
        parts = [example.x[at : at + size] for at in range(0, len(example.x), size)]
        return {
            "number": example.number,
            "inputs": [picture(part, inputs) for part in parts],
            "target": picture(example.target, values),
            "steps": example.steps,
            "answers": _text(differences(example.answers - example.target, high - low)),
            "errors": example.errors,
            "energies": None if set(example.energies) == {None} else example.energies,
        }

    lines = [
        {"name": name, "seed": seeds[name], "problems": [problem(example) for example in each]}
        for name, each in examples.items()
    ]
    side = math.isqrt(len(everyone[0].target))
    about = {"side": side, "inputRange": inputs, "range": values}
    return {**about, "lines": lines, "pictures": list(pictures)}


def _range(arrays: list[Array]) -> tuple[float, float]:
    """From the least to the most of what is finite."""
    every = np.concatenate(arrays)
    finite = every[np.isfinite(every)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 0.0)
    return low, high if high > low else low + 1


def _picture(values: Array, within: tuple[float, float]) -> str:
    low, high = within
    finite = np.isfinite(values)
    parts = (PARTS * (np.where(finite, values, low) - low) / (high - low)).round()
    return _text(np.where(finite, parts, LOST).astype(np.uint8))


def differences(errors: Array, reach: float) -> NDArray[np.uint8]:
    """Errors as bytes, on the quadratic scale of this file."""
    with np.errstate(invalid="ignore"):  # inf is one of the errors that are not finite
        codes = (LARGEST * np.sqrt(np.abs(errors) / reach)).round()
    codes = np.sign(errors) * np.minimum(codes, LARGEST + 1)
    return (np.where(np.isfinite(errors), codes, NOT_FINITE) + ZERO).astype(np.uint8)


def _text(codes: NDArray[np.uint8]) -> str:
    return b64encode(codes.tobytes()).decode()
