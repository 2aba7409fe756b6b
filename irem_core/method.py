"""What a method is: something that turns problems into answers, step by step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from irem_core.checks import at_least
from irem_core.metric import mean_squared_error
from irem_core.types import Batch, Energy, Problem, Step, Task, Trajectory, last


@dataclass(frozen=True)
class ReplayPlan:
    """How much of a training batch goes on from earlier answers.

    replayed: problems of a batch that come from the buffer; the others are fresh.
    stored: fresh problems of a batch that are stored back, beside all the replayed ones.
    capacity: problems that the buffer holds.
    """

    replayed: int
    stored: int
    capacity: int

    def __post_init__(self) -> None:
        at_least(0, replayed=self.replayed, stored=self.stored)
        at_least(1, capacity=self.capacity)


ENDS_WITHIN = 10_000  # steps, of a method that is done by itself


class Method(nn.Module, ABC):
    """A way to answer the problems of one task.

    A subclass names itself, says how it answers (``unroll``) and, if it learns, what it minimises
    (``loss``). The keyword arguments of its constructor are its settings.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1  # raised when the same settings give other results
    learns: ClassVar[bool] = True
    ends: ClassVar[bool] = False  # is done by itself after some steps, however many are allowed
    markov: ClassVar[bool] = False  # what a step makes of an answer depends on no step before
    any_size: ClassVar[bool] = False  # its parameters fit matrices of any size, not only of one

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task
        self.inner_steps = 1  # in training, and for validation problems
        self.energy: Energy | None = None
        self.replay: ReplayPlan | None = None

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        """Whether the method can be asked this task."""
        return True

    @classmethod
    def can_express(cls, task: Task) -> bool:
        """Whether some parameters come close to the answers of the task's training problems."""
        return True

    @property
    def fits_any_size(self) -> bool:
        """Whether it answers problems of other sizes too; on graphs every method does."""
        return self.any_size or self.task.domain == "graph"

    def allowed(self, steps: int) -> int:
        """The steps that it may take of a budget: all that it needs, if it is done by itself."""
        return ENDS_WITHIN if self.ends else steps

    @abstractmethod
    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        """Yield what there is after 0, 1, ... steps, at most ``steps``; fewer if it is done."""

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """What training minimises on a batch, and the last answers, which a replay buffer keeps."""
        raise NotImplementedError(f"{self.name} does not learn")

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """The method in evaluation mode, where dropout is off; afterwards in the mode of before."""
        training = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(training)

    @torch.no_grad()
    def error(self, batch: Batch) -> Float[Tensor, ""]:
        """The mean squared error that a checkpoint is chosen by, after as many steps as trained."""
        answer = last(self.unroll(batch.problem, self.inner_steps)).answer
        return mean_squared_error(answer, batch)

    @torch.no_grad()
    def solve(
        self, problem: Problem, steps: int, start: Float[Tensor, "B n_out"] | None = None
    ) -> Trajectory:
        """Answer ``problem`` with up to ``steps`` steps, from ``start`` if one is given.

        Raises ValueError if the problem is not of the task's size.
        """
        if steps < 0:
            raise ValueError(f"steps must be 0 or more, not {steps}")
        problem = problem if start is None else replace(problem, start=start)
        self._fitting(problem).check(problem)
        _check_known(problem)
        problem = replace(problem, start=problem.start * problem.mask)
        self._check_place(problem)
        with self.evaluating():
            taken = list(self.unroll(problem, steps))
        answers = torch.stack([step.answer for step in taken])  # [T+1, B, n_out]
        landscape = None if self.energy is None else self.energy.at(problem)
        energies = None if landscape is None else torch.stack([landscape(y) for y in answers])
        halting = [step.halting for step in taken if step.halting is not None]
        return Trajectory(answers, energies, torch.stack(halting) if halting else None)

    def _fitting(self, problem: Problem) -> Task:
        """The task, of a problem's size if that does not matter; that of graphs is any."""
        resized = self.any_size and self.task.domain == "matrix"
        return self.task.test(problem.side, "same") if resized else self.task

    def _check_place(self, problem: Problem) -> None:
        """Raise ValueError unless parameters and problem have one device and one number type."""
        x, start = problem.x, problem.start
        if (start.dtype, start.device) != (x.dtype, x.device):
            raise ValueError(
                f"start is {start.dtype} on {start.device}, x {x.dtype} on {x.device}: give both "
                "the same type and device"
            )
        device, dtype = self.place()
        if device not in (None, x.device) or dtype not in (None, x.dtype):
            raise ValueError(
                f"{self.name} is {dtype} on {device}, the problem {x.dtype} on {x.device}: use "
                "problem.to(device, dtype)"
            )

    def place(self) -> tuple[torch.device | None, torch.dtype | None]:
        """Device of the method's tensors, and type of those of floating-point numbers.

        Parameters and buffers count. None where it has no such tensor. Raises ValueError if they
        differ in device or type.
        """
        tensors = [*self.parameters(), *self.buffers()]
        devices = {tensor.device for tensor in tensors}
        dtypes = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
        for found in (devices, dtypes):
            if len(found) > 1:
                names = " and ".join(sorted(map(str, found)))
                raise ValueError(
                    f"{self.name} has tensors of {names}: use method.to(device, dtype)"
                )
        return next(iter(devices), None), next(iter(dtypes), None)

    def used_parameters(self) -> int:
        """How many numbers training adjusts."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)


def _check_known(problem: Problem) -> None:
    """Raise ValueError if what is known is not finite numbers for entries that there are."""
    if problem.known is None:
        return
    if problem.known.shape != problem.start.shape:
        raise ValueError(
            f"known must be of the shape of start, {list(problem.start.shape)}, nan where nothing "
            f"is known, not {list(problem.known.shape)}"
        )
    said = ~problem.known.isnan()
    if problem.known.isinf().any() or (said & ~problem.mask).any():
        raise ValueError("known must be finite or nan, and nan beyond the nodes of a graph")
