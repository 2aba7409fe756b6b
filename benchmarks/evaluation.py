"""Where answers meet their errors: one solve gives the trace over all steps, and rows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from baselines.best_known import best_known
from benchmarks.flops import FlopCounter
from benchmarks.metrics import Array, at_own_step, skill, solved
from benchmarks.registry import TRIVIAL
from benchmarks.runs import Evaluation
from benchmarks.stats import interval_over_problems
from irem_core.method import Method
from irem_core.metric import mean_squared_error, squared_errors
from irem_core.stopping import energy_stops_falling, lowest_energy
from irem_core.streams import stream
from irem_core.types import Batch, Problem, Task

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

    def frame(self) -> pd.DataFrame:
        """One line per problem and step."""
        count, problems = self.errors.shape
        energies = np.full_like(self.errors, np.nan) if self.energies is None else self.energies
        return pd.DataFrame(
            {
                "problem": np.tile(np.arange(problems, dtype=np.int32), count),
                "step": np.repeat(np.arange(count, dtype=np.int32), problems),
                "solved": self.solved.ravel(),
                "error": self.errors.ravel().astype(np.float32),
                "energy": energies.ravel().astype(np.float32),
                "flops": np.repeat(self.flops, problems),
                "seconds": np.repeat(self.seconds, problems),
            }
        )


@dataclass(frozen=True)
class Yardstick:
    """What an error on a set of test problems is held against."""

    mse_trivial: float  # of the best trivial predictor on the same problems
    mse_best: float | None
    variance: float  # of the answers at ``same`` difficulty


def draw_test_problems(task: Task, count: int) -> Batch:
    """The test problems of a task as it is tested: the same always, drawn on the CPU in float64."""
    return task.draw(count, stream("test", task), torch.float64)


def trace(method: Method, batch: Batch, steps: int, variance: float) -> Trace:
    """Solve a batch with up to ``steps`` steps and write down what each step gave and cost.

    ``variance`` of the answers at ``same`` difficulty says what counts as solved.
    """
    answers, seconds = _timed_answers(method, batch.problem, steps)
    errors = _array(torch.stack([squared_errors(y, batch) for y in answers]))
    right = torch.stack([_on_the_right_side(y, batch) for y in answers]).cpu().numpy()
    energies = None
    if method.energy is not None:
        with torch.no_grad():
            energies = torch.stack([method.energy(batch.problem, y) for y in answers])
    return Trace(
        errors=errors,
        solved=right if method.task.binary else solved(errors, variance),
        energies=None if energies is None else _array(energies),
        flops=_flops(method, batch.problem[:1], steps),
        seconds=np.array(seconds) / len(batch),
        examples=_examples(batch, answers),
    )


def yardstick(task: Task, tested: Task, batch: Batch) -> Yardstick:
    """For a batch of the task ``tested``, by predictors fitted on the task as it is trained on."""
    predictors = [cls(task).double() for cls in TRIVIAL if cls.answers_task(task)]
    answers = [p.solve(batch.problem, steps=1).answers[-1] for p in predictors]
    best = best_known(tested)
    same = task.draw(4096, stream("variance", task), torch.float64)
    return Yardstick(
        mse_trivial=min(mean_squared_error(answer, batch).item() for answer in answers),
        mse_best=None if best is None else best.mse,
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
    errors = at_own_step(result.errors, answered)
    mse = float(errors.mean())
    low, high = interval_over_problems(errors)
    energies = result.energies
    fine = bool(np.isfinite(mse))
    return {
        "steps": budget,
        "steps_used": float(used.mean()),
        "selection": selection,
        "mse": mse,
        "mse_ci_low": low,
        "mse_ci_high": high,
        "skill": skill(mse, against.mse_trivial, against.mse_best),
        "solve_rate": float(at_own_step(result.solved, answered).mean()),
        "energy": None if energies is None else float(at_own_step(energies, answered).mean()),
        "flops": float(result.flops[used].mean()),
        "seconds": float(result.seconds[used].mean()),
        "status": "ok" if fine else "diverged",
        "error": "" if fine else f"the error is not finite within {budget} steps",
        "mse_trivial": against.mse_trivial,
        "mse_best": against.mse_best,
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
    return tensor.detach().cpu().double().numpy()
