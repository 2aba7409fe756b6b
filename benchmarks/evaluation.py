"""Where answers meet their errors: one solve gives the trace over all steps, and rows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.best_known import BestKnown, best_known
from benchmarks.flops import FlopCounter
from benchmarks.metrics import Array, at_own_step, skill, solved
from benchmarks.registry import TRIVIAL
from benchmarks.runs import Evaluation
from benchmarks.stats import interval_over_problems
from irem_core.method import Method
from irem_core.metric import mean_squared_error, squared_errors
from irem_core.stopping import energy_stops_falling, lowest_energy
from irem_core.streams import stream
from irem_core.types import Batch, Energy, Problem, Task

EXAMPLES = 4  # problems whose inputs, targets and answers are kept


@dataclass(frozen=True)
class Trace:
    """What a method did on B test problems, after each of 0..T steps.

    T is the largest budget, or fewer steps if the method was done before. Costs are cumulative and
    per problem.
    """

    errors: Array  # [T+1, B] squared, mean over entries
    solved: NDArray[np.bool_]  # [T+1, B]
    energies: Array | None  # [T+1, B]
    flops: Array  # [T+1]
    seconds: Array  # [T+1]
    examples: pd.DataFrame
    energy_flops: float = 0.0  # of the energy of one answer, which every rule but the last needs
    energy_seconds: float = 0.0

    def frame(self) -> pd.DataFrame:
        """One line per problem and step."""
        count, problems = self.errors.shape
        energies = np.full_like(self.errors, np.nan) if self.energies is None else self.energies
        return pd.DataFrame(
            {
                "problem": np.tile(np.arange(problems, dtype=np.int32), count),
                "step": np.repeat(np.arange(count, dtype=np.int32), problems),
                "solved": self.solved.ravel(),
                "error": self.errors.ravel(),
                "energy": energies.ravel(),
                "flops": np.repeat(self.flops, problems),
                "seconds": np.repeat(self.seconds, problems),
            }
        )


@dataclass(frozen=True)
class Yardstick:
    """What an error on a set of test problems is held against."""

    mse_trivial: float  # of the best trivial predictor on the same problems
    best: BestKnown | None
    variance: float  # of the answers at ``same`` difficulty


def draw_test_problems(task: Task, count: int) -> Batch:
    """The test problems of a task as it is tested: the same always, drawn on the CPU in float64."""
    return task.draw(count, stream("test", task), torch.float64)


def trace(method: Method, batch: Batch, steps: int, variance: float) -> Trace:
    """Solve a batch with up to ``steps`` steps and write down what each step gave and cost.

    ``variance`` of the answers at ``same`` difficulty says what counts as solved.
    """
    _timed_answers(method, batch.problem, min(steps, 1))  # the first call is slower than the rest
    answers, seconds = _timed_answers(method, batch.problem, steps)
    errors = _array(torch.stack([squared_errors(y, batch) for y in answers]))
    right = torch.stack([_on_the_right_side(y, batch) for y in answers]).cpu().numpy()
    made = Trace(
        errors=errors,
        solved=right if method.task.binary else solved(errors, variance),
        energies=None,
        flops=_flops(method, batch.problem[:1], steps),
        seconds=np.array(seconds) / len(batch),
        examples=_examples(batch, answers),
    )
    return made if method.energy is None else _with_energies(made, method.energy, batch, answers)


@cache
def yardstick(task: Task, tested: Task, problems: int) -> Yardstick:
    """For test problems of ``tested``, by predictors fitted on ``task``, which is trained on."""
    batch = draw_test_problems(tested, problems)
    predictors = [cls(task).double() for cls in TRIVIAL if cls.answers_task(task)]
    answers = [p.solve(batch.problem, steps=1).answers[-1] for p in predictors]
    same = task.draw(4096, stream("variance", task), torch.float64)
    return Yardstick(
        mse_trivial=min(mean_squared_error(answer, batch).item() for answer in answers),
        best=best_known(tested),
        variance=same.target[same.problem.mask].var().item(),
    )


def rows(result: Trace, against: Yardstick, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The rows of results of an evaluation: one per budget and rule that picks the answer."""
    return [
        _row(result, against, budget, selection, answered, used)
        for budget in evaluation.steps
        for selection, (answered, used) in _selections(result, budget).items()
    ]


def _row(
    result: Trace,
    against: Yardstick,
    budget: int,
    selection: str,
    answered: np.ndarray,
    used: np.ndarray,
) -> dict[str, Any]:
    errors = at_own_step(result.errors, answered).astype(np.float64)
    mse = float(errors.mean())
    low, high = interval_over_problems(errors)
    energies, by_energy = result.energies, selection != "last"
    read = [errors] if energies is None else [errors, energies[: budget + 1]]
    fine = all(np.isfinite(numbers).all() for numbers in read)
    best = against.best
    return {
        "steps": budget,
        "steps_used": float(used.mean()),
        "selection": selection,
        "mse": mse,
        "mse_ci_low": low,
        "mse_ci_high": high,
        "skill": skill(mse, against.mse_trivial, None if best is None else best.mse),
        "solve_rate": float(at_own_step(result.solved, answered).mean()),
        "energy": None if energies is None else float(at_own_step(energies, answered).mean()),
        "flops": float(result.flops[used].mean()) + by_energy * result.energy_flops,
        "seconds": float(result.seconds[used].mean()) + by_energy * result.energy_seconds,
        "status": "ok" if fine else "diverged",
        "error": "" if fine else f"an error or an energy is not finite within {budget} steps",
        "mse_trivial": against.mse_trivial,
        "mse_best": None if best is None else best.mse,
        "mse_best_uncertainty": None if best is None else best.uncertainty,
    }


def _selections(result: Trace, budget: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For each rule: after which step each problem is answered, and how many it used."""
    last = min(budget, len(result.errors) - 1)
    everyone = np.full(result.errors.shape[1], last)
    selections = {"last": (everyone, everyone)}
    if result.energies is not None:
        energies = torch.from_numpy(result.energies[: last + 1])
        stopped = energy_stops_falling(energies).numpy()
        noticed = np.minimum(stopped + 1, last)  # one step more, to see that it does not fall
        selections["lowest_energy"] = (lowest_energy(energies).numpy(), everyone)
        selections["stopped"] = (stopped, noticed)
    return selections


@torch.no_grad()
def _with_energies(made: Trace, energy: Energy, batch: Batch, answers: list[Tensor]) -> Trace:
    """The trace with the energy of every answer, and what one such energy costs.

    The steps compute all but the last of them on their way; a rule that reads energies pays for
    that last one on top of its steps.
    """
    with FlopCounter() as counter:
        energy(batch.problem[:1], answers[0][:1])
    began = time.perf_counter()
    energies = _array(torch.stack([energy(batch.problem, y) for y in answers]))
    seconds = (time.perf_counter() - began) / energies.size
    return replace(
        made, energies=energies, energy_flops=float(counter.total), energy_seconds=seconds
    )


@torch.no_grad()
def _timed_answers(
    method: Method, problem: Problem, steps: int
) -> tuple[list[Tensor], list[float]]:
    """The answers, and the seconds since the start at which each was there."""
    answers, moments = [], []
    for answer in method.unroll(problem, steps):
        if answer.is_cuda:
            torch.cuda.synchronize(answer.device)
        answers.append(answer)
        moments.append(time.perf_counter())
    return answers, [moment - moments[0] for moment in moments]


@torch.no_grad()
def _flops(method: Method, one: Problem, steps: int) -> Array:
    """Operations for one problem, counted as they run."""
    with FlopCounter() as counter:
        return np.array([counter.total for _ in method.unroll(one, steps)], dtype=np.float64)


def _on_the_right_side(answer: Tensor, batch: Batch) -> Tensor:
    """Whether every entry of each problem is on the side of 1/2 that its target is on, [B]."""
    return ((answer > 0.5) == (batch.target > 0.5)).all(dim=1)


def _examples(batch: Batch, answers: list[Tensor]) -> pd.DataFrame:
    """Inputs, targets and answers of the first problems, matrices flattened row by row."""
    few = batch[:EXAMPLES]
    kinds = [("input", 0, few.problem.x), ("target", 0, few.target)]
    kinds += [("answer", t, y[:EXAMPLES]) for t, y in enumerate(answers)]
    return pd.DataFrame(
        [
            {"problem": i, "kind": kind, "step": t, "values": values.astype(np.float32)}
            for kind, t, tensor in kinds
            for i, values in enumerate(_array(tensor))
        ]
    )


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()
