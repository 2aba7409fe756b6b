"""Training: fresh and replayed problems, Adam, and the checkpoint that validation chooses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from irem_core.checkpoint import read_tensors, write_tensors
from irem_core.checks import at_least, not_negative, positive, share
from irem_core.method import Method
from irem_core.precision import DTYPES, precision
from irem_core.replay import Replay
from irem_core.streams import seed_of, stream
from irem_core.types import Batch, Task, concatenate

Loss = Callable[[Batch], tuple[Tensor, Tensor]]
"""The loss of a batch and the last answers."""


class DivergedError(RuntimeError):
    """Training met a loss or a validation error that is not finite."""


@dataclass(frozen=True)
class Training:
    """How every method is trained; the defaults are the paper's for matrices.

    train_iterations: updates of Adam.
    batch: problems an update, the replayed ones among them.
    learning_rates: if there are any, training is done with each in the place of ``learning_rate``,
        and the parameters with the least validation error are taken.
    from_size: the problems of an update are all of one size, drawn from this one to the task's.
        0: as the task draws them.
    decay: the learning rate falls, update by update, on a straight line to 0.
    beta2: of Adam, for the squares of gradients.
    clip: the largest norm that the gradient of an update may have; it is scaled to it. 0: any.
    average: the parameters that are validated and kept are a running mean, of which those before
        have this share after an update (0.995: a mean over some 200 updates); 0: the last ones.
    validate_every: updates between two looks at the validation problems.
    dtype: float32, float64 or mixed; see ``precision``.
    """

    train_iterations: int = 10_000
    batch: int = 1024
    learning_rate: float = 1e-4
    learning_rates: Sequence[float] = ()
    from_size: int = 0
    decay: bool = False
    beta2: float = 0.999
    clip: float = 0.0
    average: float = 0.0
    validate_every: int = 500
    validation_problems: int = 512
    dtype: str = "float32"

    def __post_init__(self) -> None:
        at_least(0, train_iterations=self.train_iterations, from_size=self.from_size)
        at_least(1, batch=self.batch, validate_every=self.validate_every)
        at_least(1, validation_problems=self.validation_problems)
        positive(learning_rate=self.learning_rate)
        not_negative(clip=self.clip)
        share(average=self.average, beta2=self.beta2)
        positive(**{f"learning_rates[{i}]": rate for i, rate in enumerate(self.learning_rates)})
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, not {self.dtype!r}")

    @property
    def updates(self) -> int:
        """Of all learning rates together."""
        return self.train_iterations * len(self.candidates)

    @property
    def candidates(self) -> list[Training]:
        """One for each learning rate."""
        each = [replace(self, learning_rate=r, learning_rates=()) for r in self.learning_rates]
        return each or [self]

    def check(self, method: Method) -> None:
        """Raise ValueError if a method cannot be trained so.

        A batch must hold the problems that it wants replayed, and problems of several sizes need
        parameters that fit them all, and no buffer, whose rows are alike.
        """
        plan, size = method.replay, method.task.size
        if self.from_size > size:
            raise ValueError(f"from_size must be at most {size}, not {self.from_size}")
        if self.from_size and not method.fits_any_size:
            raise ValueError(f"{method.name} fits matrices of one size: leave from_size at 0")
        if self.from_size and plan:
            raise ValueError("replayed problems are all of one size: leave from_size at 0")
        if plan and not plan.replayed + plan.stored <= self.batch > plan.replayed:
            raise ValueError(
                f"a batch of {self.batch} cannot have {plan.replayed} replayed problems and "
                f"{plan.stored} fresh ones to store: lower replayed and stored, or raise batch"
            )


@dataclass(frozen=True)
class CurvePoint:
    """One point of the training curve."""

    update: int
    loss: float  # mean since the point before
    validation_mse: float


class Trainer:
    """A training run, which can be saved in the middle; ``engine.train`` executes it.

    Validation problems are the same for every method and seed; the parameters with the least
    validation error are the ones kept.
    """

    def __init__(
        self, method: Method, training: Training, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        training.check(method)
        self.dtype = DTYPES[training.dtype]
        self.method = method.to(device, self.dtype)
        self.training = training
        self.seed = seed
        task = method.task
        self.validation = task.draw(
            training.validation_problems, stream("validation", task), torch.float64
        ).to(device, self.dtype)
        self.fresh = stream("train", task, seed, device=device)
        self.replayed = stream("replay", task, seed, device=device)
        self.replay = (
            Replay(method.replay.capacity, like=self.validation) if method.replay else None
        )
        self.parameters: list[Tensor] = [p for p in method.parameters() if p.requires_grad]
        self.optimiser = torch.optim.Adam(
            self.parameters,
            lr=training.learning_rate,
            betas=(0.9, training.beta2),
            capturable=self.validation.target.is_cuda,  # the count of steps is on the device too
        )
        self.mean = [p.detach().clone() for p in self.parameters] if training.average else None
        self.done = 0  # updates, up to the last look at the validation problems
        self.stepped = 0  # updates
        self.engines: set[str] = set()  # that they were executed by
        self.together = 1  # trainers in the largest computation that they were part of
        self.seconds = 0.0
        self.curve: list[CurvePoint] = []
        self.best = self._copy_of_method()

    @property
    def least_error(self) -> float:
        """The validation error of the best parameters so far."""
        return min((point.validation_mse for point in self.curve), default=math.inf)

    @property
    def finished(self) -> bool:
        return self.done >= self.training.train_iterations

    @property
    def next_validation(self) -> int:
        """The update after which the validation problems are looked at."""
        return min(self.training.train_iterations, self.done + self.training.validate_every)

    def update(self, loss_of: Loss | None = None) -> Tensor:
        """One step of Adam on fresh and replayed problems; the loss, still on the device.

        ``loss_of`` is the method's own loss unless another is given.
        """
        batch = self.draw()
        with self.precision():
            loss, answer = (loss_of or self.method.loss)(batch)
        self.step(torch.autograd.grad(loss, self.parameters, allow_unused=True))
        self.keep(batch, answer.detach())
        return loss.detach()

    def precision(self) -> torch.autocast:
        """The context that everything of the run is computed in."""
        return precision(self.training.dtype, self.validation.target.device)

    def draw(self) -> Batch:
        """A training batch, the replayed problems first; the very first one has none."""
        plan, task = self.method.replay, self.method.task
        if self.replay is None or plan is None:
            return self._of_a_size().draw(self.training.batch, self.fresh, self.dtype)
        fresh = task.draw(self.training.batch - plan.replayed, self.fresh, self.dtype)
        if self.replay.empty:
            return fresh
        return concatenate([self.replay.sample(plan.replayed, self.replayed), fresh])

    def _of_a_size(self) -> Task:
        """What the problems of an update are drawn from."""
        task, least = self.method.task, self.training.from_size
        if not least:
            return task
        device = self.fresh.device
        size = torch.randint(least, task.size + 1, (), generator=self.fresh, device=device)
        return task.test(int(size), task.difficulty_of(int(size)))

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """One step of Adam; what has no gradient stays as it is."""
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.training.clip:
            clip_grad_norm_(self.parameters, self.training.clip)
        if self.training.decay:
            left = 1 - self.stepped / self.training.train_iterations
            for group in self.optimiser.param_groups:
                group["lr"] = self.training.learning_rate * left
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.stepped += 1
        if self.mean is not None:
            with torch.no_grad():
                torch._foreach_lerp_(self.mean, self.parameters, 1 - self.training.average)

    def keep(self, batch: Batch, answer: Tensor) -> None:
        """Store a batch where its answers have got to: all of the first, then as planned."""
        plan = self.method.replay
        if self.replay is None or plan is None:
            return
        stored = len(batch) if self.replay.empty else plan.replayed + plan.stored
        reached = replace(batch, problem=replace(batch.problem, start=answer))
        self.replay.add(reached[:stored])

    @contextmanager
    def seeded_noise(self) -> Iterator[None]:
        """Updates inside have the same noise, such as dropout, in every run that is like this one.

        Layers of torch draw from its global generators, which are put back as they were. The seed
        depends on the updates done so far, so a run that was cut off goes on in the same way.
        """
        device = self.validation.target.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed_of("noise", self.method.task, self.seed, self.done))
            yield

    def validate(self) -> float:
        """Mean squared error on the validation problems, in evaluation mode."""
        with self.precision(), self.method.evaluating():
            return self.method.error(self.validation).item()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The method with the running mean of its parameters, if there is one."""
        if self.mean is None:
            yield
            return
        with torch.no_grad():
            own = [p.clone() for p in self.parameters]
            torch._foreach_copy_(self.parameters, self.mean)
            try:
                yield
            finally:
                torch._foreach_copy_(self.parameters, own)

    def look(self, losses: Tensor) -> None:
        """Count the updates that had these losses, and see how good the parameters are now.

        Raises DivergedError if a loss, or the validation error, is not finite.
        """
        self._check_finite(losses, self.done)
        self.done += len(losses)
        with self.averaged():
            point = CurvePoint(self.done, losses.mean().item(), self.validate())
            error = torch.tensor([point.validation_mse])
            self._check_finite(error, self.done - 1, "validation error")
            if point.validation_mse < self.least_error:
                self.best = self._copy_of_method()
        self.curve.append(point)

    def save(self, path: Path) -> None:
        """Write all that the rest of the run depends on."""
        adam = self.optimiser.state_dict()["state"]
        tensors = {
            **_prefixed("method", self.method.state_dict()),
            **_prefixed("best", self.best),
            **{f"adam.{i}.{name}": t for i, state in adam.items() for name, t in state.items()},
            **{f"mean.{i}": tensor for i, tensor in enumerate(self.mean or [])},
            **_prefixed("replay", self.replay.rows.named() if self.replay is not None else {}),
            "stream.fresh": self.fresh.get_state(),
            "stream.replayed": self.replayed.get_state(),
        }
        about = {
            "done": self.done,
            "seconds": self.seconds,
            "added": int(self.replay.added) if self.replay is not None else 0,
            "curve": [vars(point) for point in self.curve],
            "engines": sorted(self.engines),
            "together": self.together,
        }
        write_tensors(path, tensors, about)

    def load(self, path: Path) -> None:
        """Go on from what ``save`` wrote.

        Raises ValueError if the file is damaged or of another run; the trainer is of no use then.
        """
        try:
            self._take(*read_tensors(path))
        except (SafetensorError, KeyError, TypeError, RuntimeError, IndexError) as error:
            raise ValueError(f"{path} is not a state of this run: {error}") from error

    def _take(self, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
        self.method.load_state_dict(_under("method", tensors))
        self.best = {
            k: v.to(self.validation.target.device) for k, v in _under("best", tensors).items()
        }
        self._load_adam(_under("adam", tensors))
        for i, tensor in enumerate(self.mean or []):
            tensor.copy_(tensors[f"mean.{i}"])
        if self.replay is not None:
            for name, rows in self.replay.rows.named().items():
                rows.copy_(tensors[f"replay.{name}"])
            self.replay.added.fill_(about["added"])
            self.replay.empty = about["added"] == 0
        self.fresh.set_state(tensors["stream.fresh"])
        self.replayed.set_state(tensors["stream.replayed"])
        self.done, self.seconds = about["done"], about["seconds"]
        self.stepped = self.done
        self.curve = [CurvePoint(**point) for point in about["curve"]]
        self.engines, self.together = set(about["engines"]), about["together"]

    def _check_finite(self, values: Tensor, before: int, what: str = "loss") -> None:
        """Raise DivergedError if a value is not finite, the first being of update before + 1."""
        wrong = (~values.isfinite()).nonzero()
        if len(wrong):
            raise DivergedError(
                f"{self.method.name} on {self.method.task}, seed {self.seed}: at update "
                f"{before + 1 + int(wrong[0])} the {what} became {values[wrong[0]].item()}"
            )

    def _copy_of_method(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.method.state_dict().items()}

    def _load_adam(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            index, quantity = name.split(".")
            state.setdefault(int(index), {})[quantity] = tensor
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


def _prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(f"{prefix}."): tensor
        for name, tensor in tensors.items()
        if name.startswith(f"{prefix}.")
    }
