"""How training is executed: update by update, compiled, as one CUDA graph, several runs at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from irem_core.method import Method
from irem_core.trainer import DivergedError, Trainer, Training
from irem_core.types import Batch, Task, combine

ENGINES = ("eager", "compiled", "captured")
"""An update as it is written; with its loss by torch.compile; whole, as one CUDA graph."""

log = logging.getLogger(__name__)


def check_engine(
    engine: str,
    task: Task,
    training: Training,
    device: torch.device | str = "cpu",
    together: int = 1,
) -> None:
    """Raise ValueError if an engine cannot train ``together`` runs on a task on a device."""
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "captured" and torch.device(device).type != "cuda":
        raise ValueError(f"engine captured needs a CUDA device, not {device}")
    if training.from_size and (engine != "eager" or together > 1):
        raise ValueError("with from_size every update is of a size of its own: use engine eager")
    if engine == "captured" and training.decay:
        raise ValueError("engine captured cannot lower the learning rate: leave decay off")
    if engine == "compiled" and together > 1:
        raise ValueError("engine compiled trains one run at a time")
    if task.domain == "graph" and (engine != "eager" or together > 1):
        raise ValueError(
            f"{task.name}: graphs are computed by size, and which sizes there are differs between "
            "updates and seeds; such runs are trained one at a time, by engine eager"
        )


def train(
    trainers: Sequence[Trainer],
    engine: str = "eager",
    states: Sequence[Path] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> dict[Trainer, DivergedError]:
    """Train to the end, and leave every method with its best parameters.

    Several trainers, which may differ in their seeds alone, are trained as one batched computation.
    With ``states`` every run is saved to its file after each validation. Returns what went wrong
    with those that diverged, which costs the others nothing. Raises ValueError if the engine cannot
    train them, or not as one.
    """
    _check(trainers, engine)
    diverged: dict[Trainer, DivergedError] = {}
    group: Sequence[Trainer] = ()
    while behind := _behind([t for t in trainers if not (t.finished or t in diverged)]):
        if behind != group:
            group, update = behind, update_of(behind, engine)
        diverged |= _until_validation(group, update, progress)
        for trainer, state in zip(trainers, states, strict=bool(states)):
            if trainer in group and trainer not in diverged:
                trainer.save(state)
    for trainer in trainers:
        trainer.method.load_state_dict(trainer.best)
    return diverged


def _check(trainers: Sequence[Trainer], engine: str) -> None:
    first = trainers[0]
    place = first.validation.target.device
    check_engine(engine, first.method.task, first.training, place, len(trainers))
    for other in trainers[1:]:
        for one, same in ((first.training, other.training), (first.method, other.method)):
            settings, others = _settings(one), _settings(same)
            if wrong := [name for name in settings if settings[name] != others.get(name)]:
                raise ValueError(
                    f"{wrong[0]} differs: runs that are trained together may differ in their seeds "
                    "alone"
                )


def _settings(of: object) -> dict[str, Any]:
    """What an object was made with, its class too, but for what torch keeps in a module."""
    named = {name: value for name, value in vars(of).items() if not name.startswith("_")}
    return named | {"class": type(of)}


def _until_validation(
    group: Sequence[Trainer], update: Update, progress: Callable[[int], None]
) -> dict[Trainer, DivergedError]:
    began, diverged, losses = time.perf_counter(), {}, []
    with group[0].seeded_noise():
        for done in range(group[0].done + 1, group[0].next_validation + 1):
            losses.append(update())  # on the device until all are there
            progress(done)
    for trainer, own in zip(group, torch.stack(losses).view(-1, len(group)).T, strict=True):
        try:
            trainer.look(own)
        except DivergedError as error:
            diverged[trainer] = error
    for trainer in group:
        trainer.seconds += (time.perf_counter() - began) / len(group)
        trainer.engines.add(update.engine)
        trainer.together = max(trainer.together, len(group))
    return diverged


class Update(Protocol):
    """An update of every trainer of a group, that gives their losses."""

    engine: str

    def __call__(self) -> Tensor: ...


def update_of(group: Sequence[Trainer], engine: str) -> Update:
    """The update of a group as an engine executes it."""
    if engine == "compiled":
        return Compiled(group[0])
    return Captured(group) if engine == "captured" else Eager(group)


class Eager:
    """Operation by operation."""

    engine = "eager"

    def __init__(self, group: Sequence[Trainer]) -> None:
        self.group = group

    def __call__(self) -> Tensor:
        return update_together(self.group) if len(self.group) > 1 else self.group[0].update()


class Compiled:
    """With the loss by torch.compile; where that is not possible, eagerly, and the log says so.

    There are the same numbers but for rounding.
    """

    engine = "compiled"

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.fast = torch.compile(trainer.method.loss)

    def __call__(self) -> Tensor:
        return self.trainer.update(self._loss)

    def _loss(self, batch: Batch) -> tuple[Tensor, Tensor]:
        from torch._dynamo.exc import TorchDynamoException  # a second of imports

        if self.engine == "compiled":
            try:
                return self.fast(batch)
            except TorchDynamoException as error:
                _say_not_compiled(str(error).partition("\n")[0])
                self.engine = "eager"
        return self.trainer.method.loss(batch)


@cache
def _say_not_compiled(why: str) -> None:
    """Once a process."""
    log.warning("torch.compile is not possible here: %s", why)


class Captured:
    """As one CUDA graph: all of it is launched at once, and Python does nothing more."""

    engine = "captured"
    warm_up = 3  # eager updates, the first of which has no replayed problems

    def __init__(self, group: Sequence[Trainer]) -> None:
        self.update = Eager(group)
        self.generators = [g for trainer in group for g in (trainer.fresh, trainer.replayed)]
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        self.losses: Tensor | None = None  # where the graph writes them
        self.done = 0

    def __call__(self) -> Tensor:
        self.done += 1
        if self.done <= self.warm_up:
            return self._beside()
        if self.losses is None:
            for generator in self.generators:
                self.graph.register_generator_state(generator)
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.losses = self.update()
        self.graph.replay()
        return self.losses.clone()

    def _beside(self) -> Tensor:
        """An eager update on the stream that is captured later, as capturing asks for."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            losses = self.update()
        torch.cuda.current_stream().wait_stream(self.stream)
        return losses


def update_together(trainers: Sequence[Trainer]) -> Tensor:
    """``Trainer.update`` of methods of one shape, as one batched computation; their losses, [S]."""
    batches = [trainer.draw() for trainer in trainers]
    stacked = combine(lambda *rows: torch.stack(rows), batches).named()  # [S, B, ...] each
    methods = [_Loss(trainer.method) for trainer in trainers]
    parameters, buffers = stack_module_state(methods)

    def loss(
        own: dict[str, Tensor], fixed: dict[str, Tensor], tensors: dict[str, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        rows = iter(tensors.values())
        batch = batches[0].map(lambda _: next(rows))
        value, answer = functional_call(methods[0], own | fixed, (batch,))
        return value, (value, answer)

    with trainers[0].precision():
        by, (losses, answers) = vmap(grad(loss, has_aux=True))(parameters, buffers, stacked)
    trained = [name for name, p in methods[0].named_parameters() if p.requires_grad]
    for s, (trainer, batch) in enumerate(zip(trainers, batches, strict=True)):
        trainer.step([by[name][s] for name in trained])
        trainer.keep(batch, answers[s])
    return losses


class _Loss(nn.Module):
    """A method's loss as a module's answer, which ``functional_call`` asks for."""

    def __init__(self, method: Method) -> None:
        super().__init__()
        self.method = method

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return self.method.loss(batch)


def _behind(trainers: Sequence[Trainer]) -> tuple[Trainer, ...]:
    """Those with the fewest updates, so that runs that were cut off apart meet again."""
    least = min((trainer.done for trainer in trainers), default=0)
    return tuple(trainer for trainer in trainers if trainer.done == least)
