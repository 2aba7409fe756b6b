"""Where answers meet their errors: one solve gives the trace over all steps, and rows from it."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.flops import FlopCounter
from benchmarks.hardness import hardness
from benchmarks.landscape import landscape
from benchmarks.metrics import SOLVED_AT, Array, certain, expected, solved
from benchmarks.runs import Evaluation
from benchmarks.stats import interval_over_problems
from benchmarks.store import EXAMPLES, LANDSCAPE, STARTS, TRACE
from irem_core.halting import halting_distribution
from irem_core.method import Method
from irem_core.metric import squared_errors
from irem_core.search import Searching
from irem_core.stopping import energy_stops_falling, lowest_energy
from irem_core.streams import stream
from irem_core.types import Batch, Energy, Problem, Step, Task

AGAIN = 32  # problems that are solved a second time
CHANGES = "its answers change with the order or the other problems of a batch"
DIVERGED = 1e6  # times the error of the start
FEW = 4  # problems whose inputs, targets and answers are kept
READ_ENERGIES = ("lowest_energy", "stopped")  # rules that need the energy of the last answer too


@dataclass(frozen=True)
class Trace:
    """What a method did on B test problems, after each of 0..T steps.

    T is the largest budget, or as many steps as a method needed that is done by itself. Costs are
    cumulative and per problem.
    """

    errors: Array  # [T+1, B] squared, mean over entries
    solved: NDArray[np.bool_]  # [T+1, B]
    energies: Array | None  # [T+1, B]
    flops: Array  # [T+1]
    seconds: Array  # [T+1]
    examples: pd.DataFrame
    energy_flops: float = 0.0  # of the energy of one answer, which every rule but the last needs
    energy_seconds: float = 0.0
    halting: Array | None = None  # [T+1, B] probability of halting there, if not before
    needed: NDArray[np.int64] | None = None  # [B] steps, of a method that is done by itself
    hardness: Array | None = None  # [B] see ``benchmarks.hardness``
    landscape: pd.DataFrame | None = None  # of the first problem; see ``benchmarks.landscape``
    starts: pd.DataFrame | None = None  # energy and error of the last answer from every start
    means: Array | None = None  # [T+1] errors over all problems, where the B are the first of them
    variance: float = 0.0  # of the answers that are trained on
    changes: bool = False  # whether its answers change with the other problems of a batch

    @staticmethod
    def from_frame(frame: pd.DataFrame) -> Trace:
        """The trace that ``frame`` gave, without the examples. Costs are per problem and step."""
        frame = frame.sort_values(["step", "problem"])
        count = frame["step"].nunique()

        def over_steps(column: str) -> NDArray[Any]:  # [T+1, B]
            return frame[column].to_numpy(copy=True).reshape(count, -1)

        energies, halting = over_steps("energy"), over_steps("halting")
        known = "hardness" in frame and frame["hardness"].notna().any()
        return Trace(
            errors=over_steps("error"),
            solved=over_steps("solved"),
            energies=None if np.isnan(energies).all() else energies,
            halting=None if np.isnan(halting).all() else halting,
            flops=over_steps("flops")[:, 0],
            seconds=over_steps("seconds")[:, 0],
            examples=pd.DataFrame(),
            hardness=over_steps("hardness")[0] if known else None,
            means=over_steps("mean_error")[:, 0] if "mean_error" in frame else None,
        )

    @property
    def mean_errors(self) -> Array:
        """Over all problems, [T+1]; nan where one is."""
        if self.means is not None:
            return self.means
        with np.errstate(over="ignore"):  # of errors that grow without bound the mean is infinite
            return self.errors.mean(axis=1)

    def first(self, count: int) -> Trace:
        """The same of the first problems alone."""
        cut = {
            name: getattr(self, name)[..., :count]
            for name in ("errors", "solved", "energies", "halting", "hardness", "needed")
            if getattr(self, name) is not None
        }
        return replace(self, **cut, means=self.mean_errors)

    def frames(self) -> dict[str, pd.DataFrame]:
        """What is kept of it, by the names of the files."""
        kept = {TRACE: self.frame(), EXAMPLES: self.examples}
        kept |= {LANDSCAPE: self.landscape} if self.landscape is not None else {}
        return kept | ({STARTS: self.starts} if self.starts is not None else {})

    def frame(self) -> pd.DataFrame:
        """One line per problem and step."""
        count, problems = self.errors.shape
        unknown = np.full_like(self.errors, np.nan)
        energies = unknown if self.energies is None else self.energies
        halting = unknown if self.halting is None else self.halting
        hardness = unknown[0] if self.hardness is None else self.hardness
        return pd.DataFrame(
            {
                "problem": np.tile(np.arange(problems, dtype=np.int32), count),
                "step": np.repeat(np.arange(count, dtype=np.int32), problems),
                "solved": self.solved.ravel(),
                "error": self.errors.ravel(),
                "energy": energies.ravel(),
                "halting": halting.ravel(),
                "flops": np.repeat(self.flops, problems),
                "seconds": np.repeat(self.seconds, problems),
                "hardness": np.tile(hardness, count),
            }
        )


def trace(method: Method, batch: Batch, steps: int, variance: float) -> Trace:
    """Solve a batch with up to ``steps`` steps and write down what each step gave and cost.

    A method that is done by itself gets all the steps that it needs. ``variance`` of the answers at
    ``same`` difficulty says what counts as solved. Raises RuntimeError if it is never done.
    """
    with method.evaluating():
        return _trace(method, batch, method.allowed(steps), variance)


def _trace(method: Method, batch: Batch, steps: int, variance: float) -> Trace:
    _timed(method, batch.problem, min(steps, 1))  # the first call is slower than the rest
    taken, seconds = _timed(method, batch.problem, steps)
    if method.ends and len(taken) > steps:
        raise RuntimeError(f"{method.name} is not done by itself within {steps} steps")
    answers = [step.answer for step in taken]
    halting = [step.halting for step in taken if step.halting is not None]
    made = replace(
        measured(answers, batch, method.task, variance),
        flops=_flops(method, batch.problem, steps),
        seconds=np.array(seconds) / len(batch),
        halting=_array(torch.stack(halting)) if halting else None,
        needed=_needed(answers) if method.ends else None,
        changes=_changes(method, batch, answers, variance),
    )
    if isinstance(method, Searching) and taken[-1].candidates is not None:
        made = replace(made, starts=_starts(method, batch, taken[-1].candidates))
    return made if method.energy is None else _with_energies(made, method.energy, batch, answers)


def _changes(method: Method, batch: Batch, answers: list[Tensor], variance: float) -> bool:
    """Whether the last answers depend on the order or on the other problems of the batch.

    What rounding makes of many steps is no change: it is one if the answers differ by more than
    they err, and by more than an error that counts as solved.
    """
    order = torch.arange(min(AGAIN, len(batch)) - 1, -1, -1, device=answers[0].device)
    for rows in order.chunk(2):
        taken, _ = _timed(method, batch[rows].problem, len(answers) - 1)
        before = answers[-1][rows]
        difference = squared_errors(taken[-1].answer, replace(batch[rows], target=before)).mean()
        own = squared_errors(before, batch[rows]).mean()
        if difference > max(own.item(), SOLVED_AT * variance):
            return True
    return False


def measured(answers: list[Tensor], batch: Batch, task: Task, variance: float) -> Trace:
    """What the answers after 0, 1, ... steps are worth, whoever gave them at whatever cost."""
    errors = _array(torch.stack([squared_errors(y, batch) for y in answers]))
    right = torch.stack([_on_the_right_side(y, batch) for y in answers]).cpu().numpy()
    unknown = np.full(len(answers), np.nan)
    return Trace(
        errors=errors,
        solved=right if task.binary else solved(errors, variance),
        energies=None,
        flops=unknown,
        seconds=unknown,
        examples=_examples(batch, answers),
        hardness=_hardness(task, batch.problem),
        variance=variance,
    )


def rows(result: Trace, evaluation: Evaluation) -> list[dict[str, Any]]:
    """The rows of results of an evaluation: one per budget and rule that picks the answer.

    Their skill is computed when results are collected (``benchmarks.references``).

    A method that is done by itself, but needs more than the largest budget, has a row for that too.
    """
    budgets = list(evaluation.steps)
    if result.needed is not None and result.needed.max() > budgets[-1]:
        budgets.append(int(result.needed.max()))
    return [
        _row(result, budget, selection, choice)
        for budget in budgets
        for selection, choice in selections(result, budget).items()
    ]


def _row(result: Trace, budget: int, selection: str, choice: Choice) -> dict[str, Any]:
    count = len(choice.used)  # the start among them
    errors = expected(result.errors[:count], choice.answered)  # [B]
    mse = float(errors.mean())
    low, high = interval_over_problems(errors)
    energies = None if result.energies is None else result.energies[:count]
    reads_energies = selection in READ_ENERGIES

    def cost(cumulative: Array) -> float:
        return float(expected(cumulative[:count, None], choice.used).mean())

    why = _diverged(errors, max(result.errors[0].mean(), result.variance), energies)
    error = f"{why} within {budget} steps" if why else CHANGES if result.changes else ""
    return {
        "steps": budget,
        "steps_used": cost(np.arange(count, dtype=np.float64)),
        "selection": selection,
        "mse": mse,
        "mse_ci_low": low,
        "mse_ci_high": high,
        "solve_rate": float(expected(result.solved[:count], choice.answered).mean()),
        "energy": None if energies is None else float(expected(energies, choice.answered).mean()),
        "flops": cost(result.flops) + reads_energies * result.energy_flops,
        "seconds": cost(result.seconds) + reads_energies * result.energy_seconds,
        "status": "diverged" if why else "ok",
        "error": error,
    }


def _diverged(errors: Array, large: float, energies: Array | None) -> str:
    """Why answers with errors [B] are those of a method that diverged; empty if they are not.

    large: the error of the start, or if that is nearly right the variance of the answers. The
    energies are those of all steps up to the answers; other errors than those of the answers do not
    count, so a rule that stopped before has its result.
    """
    if not np.isfinite(errors).all() or not (energies is None or np.isfinite(energies).all()):
        return "an error or an energy is not finite"
    if errors.mean() > DIVERGED * large:
        return f"the error is more than {DIVERGED:g} times that of the start and of a constant"
    return ""


def last_errors(result: Trace, budget: int) -> pd.DataFrame:
    """The error of every problem, a row, by every rule that picks an answer, a column."""
    chosen = selections(result, budget).items()
    return pd.DataFrame(
        {rule: expected(result.errors[: len(by.answered)], by.answered) for rule, by in chosen}
    )


class Choice(NamedTuple):
    """What a rule picked, as weights that sum to 1 over the steps of each problem."""

    answered: Array  # [t+1, B] by which answer
    used: Array  # [t+1, B] after how many steps

    @property
    def steps(self) -> Array:
        """How many steps were used, in expectation: [B]."""
        return expected(np.arange(len(self.used))[:, None], self.used)


def selections(result: Trace, budget: int) -> dict[str, Choice]:
    """What each rule picks within a budget, that a trace has the quantities for."""
    last = min(budget, len(result.errors) - 1)
    allowed = np.full(result.errors.shape[1], last)
    used = allowed if result.needed is None else np.minimum(allowed, result.needed)
    everyone = _after(used, last)
    picked = {"last": Choice(everyone, everyone)}
    if result.energies is not None:
        energies = torch.from_numpy(result.energies[: last + 1])
        stopped = energy_stops_falling(energies).numpy()
        noticed = np.minimum(stopped + 1, last)  # one step more, to see that it does not fall
        picked["lowest_energy"] = Choice(_after(lowest_energy(energies), last), everyone)
        picked["stopped"] = Choice(_after(stopped, last), _after(noticed, last))
    if result.halting is not None:
        chances = torch.from_numpy(result.halting[: last + 1].astype(np.float64))
        # what is no number any more does not halt: who has halted before does not get there, and
        # who has not ends with an answer that is no number either
        chances = chances.nan_to_num(nan=0.0)
        halting = halting_distribution(chances.logit()).exp()  # [last+1, B]
        mode, sampled = halting.argmax(dim=0), _sampled(halting)
        picked["halted_expected"] = Choice(halting.numpy(), halting.numpy())
        picked["halted_sampled"] = Choice(_after(sampled, last), _after(sampled, last))
        picked["halted_mode"] = Choice(_after(mode, last), _after(mode, last))
    return picked


def _needed(answers: list[Tensor]) -> NDArray[np.int64]:
    """After how many steps each problem was done: the first that changed nothing more, or all."""
    each = torch.stack(answers)
    if len(each) == 1:  # it was done at the start
        return np.zeros(each.shape[1], dtype=np.int64)
    changed = (each[1:] != each[:-1]).any(dim=2)  # [T, B]
    steps = torch.arange(1, len(each), device=each.device)[:, None]
    return ((changed * steps).amax(dim=0) + 1).clamp(max=len(each) - 1).cpu().numpy()


def _after(step: np.ndarray | Tensor, last: int) -> Array:
    return certain(np.asarray(step), last + 1)


def _sampled(halting: Tensor) -> Tensor:
    """A step of each problem from its distribution, by the same chance for every budget and run."""
    chance = torch.rand(halting.shape[1], generator=stream("halting"), dtype=halting.dtype)
    passed = halting.cumsum(dim=0) <= chance  # [T+1, B]
    return passed.sum(dim=0).clamp(max=len(halting) - 1)  # where rounding leaves less than 1


@torch.no_grad()
def _with_energies(made: Trace, energy: Energy, batch: Batch, answers: list[Tensor]) -> Trace:
    """The trace with the energy of every answer, and what one such energy costs.

    The steps compute all but the last of them on their way; a rule that reads energies pays for
    that last one on top of its steps.
    """
    one, at_problems = energy.at(batch.problem[:1]), energy.at(batch.problem)
    with FlopCounter() as counter:
        one(answers[0][:1])
    began = time.perf_counter()
    energies = _array(torch.stack([at_problems(y) for y in answers]))
    seconds = (time.perf_counter() - began) / energies.size
    first = torch.stack([y[0] for y in answers])
    draws = first.isfinite().all() and first.shape[1] > 1  # a plane has two directions
    return replace(
        made,
        energies=energies,
        energy_flops=float(counter.total),
        energy_seconds=seconds,
        landscape=landscape(energy, batch.problem[:1], first, batch.target[0]) if draws else None,
    )


@torch.no_grad()
def _starts(method: Searching, batch: Batch, candidates: Tensor) -> pd.DataFrame:
    """Energy and error of the candidates [B, K, n_out] among which the lowest energy wins."""
    problems, starts = candidates.shape[:2]
    energies = method.energy.at(method.started(batch.problem))(candidates.flatten(0, 1))
    errors = torch.stack([squared_errors(each, batch) for each in candidates.unbind(1)], dim=1)
    return pd.DataFrame(
        {
            "problem": np.repeat(np.arange(problems, dtype=np.int32), starts),
            "start": np.tile(np.arange(starts, dtype=np.int32), problems),
            "energy": _array(energies).ravel(),
            "error": _array(errors).ravel(),
        }
    )


def _hardness(task: Task, problem: Problem) -> Array | None:
    """None where nothing is known to say it, or an input is not finite."""
    said = hardness(task)
    if said is None or not problem.x.isfinite().all():
        return None
    return _array(said.of(problem.to("cpu", torch.float64)))


@torch.no_grad()
def _timed(method: Method, problem: Problem, steps: int) -> tuple[list[Step], list[float]]:
    """The steps, and the seconds since the start at which each was there."""
    taken: list[Step] = []
    moments = []
    for step in method.unroll(problem, steps):
        if step.answer.is_cuda:
            torch.cuda.synchronize(step.answer.device)
        if taken:  # many, and only those of the last step are looked at
            taken[-1] = taken[-1]._replace(candidates=None)
        taken.append(step)
        moments.append(time.perf_counter())
    return taken, [moment - moments[0] for moment in moments]


@torch.no_grad()
def _flops(method: Method, problem: Problem, steps: int) -> Array:
    """Operations for one problem, counted as they run.

    A step costs the same for every problem, but how many there are can depend on all of them.
    """
    counted = problem if method.ends else problem[:1]
    with FlopCounter() as counter:
        totals = [counter.total for _ in method.unroll(counted, steps)]
    return np.array(totals, dtype=np.float64) / len(counted)


def _on_the_right_side(answer: Tensor, batch: Batch) -> Tensor:
    """Whether every entry of each problem is on the side of 1/2 that its target is on, [B]."""
    return ((answer > 0.5) == (batch.target > 0.5)).all(dim=1)


def _examples(batch: Batch, answers: list[Tensor]) -> pd.DataFrame:
    """Inputs, targets and answers of the first problems, matrices flattened row by row."""
    few = batch[:FEW]
    kinds = [("input", 0, few.problem.x), ("target", 0, few.target)]
    kinds += [("answer", t, y[:FEW]) for t, y in enumerate(answers)]
    return pd.DataFrame(
        [
            {"problem": i, "kind": kind, "step": t, "values": values.astype(np.float32)}
            for kind, t, tensor in kinds
            for i, values in enumerate(_array(tensor))
        ]
    )


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().numpy()
