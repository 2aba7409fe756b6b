"""How training is executed: update by update, compiled, as one CUDA graph, several runs at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap

from irem_core.method import Method
from irem_core.trainer import DivergedError, Trainer
from irem_core.types import Batch, Task, combine

ENGINES = ("eager", "compiled", "captured")
"""An update as it is written; with its loss by torch.compile; whole, as one CUDA graph."""

log = logging.getLogger(__name__)


def check_engine(
    engine: str, task: Task, device: torch.device | str = "cpu", together: int = 1
) -> None:
    """Raise ValueError if an engine cannot train ``together`` runs on a task on a device."""
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {engine!r}")
    if engine == "captured" and torch.device(device).type != "cuda":
        raise ValueError(f"engine captured needs a CUDA device, not {device}")
    if engine == "compiled" and together > 1:
        raise ValueError("engine compiled trains one run at a time")
    if task.domain == "graph" and (engine == "captured" or together > 1):
        raise ValueError(
            f"{task.name}: graphs are computed by size, and which sizes there are differs between "
            "updates and seeds; such runs are trained one at a time, by engine eager or compiled"
        )


def train(
    trainers: Sequence[Trainer],
    engine: str = "eager",
    states: Sequence[Path] = (),
    progress: Callable[[int], None] = lambda done: None,
) -> dict[Trainer, DivergedError]:
    """Train to the end, and leave every method with its best parameters.

    Several trainers, of methods of one shape, are trained as one batched computation. With
    ``states`` every run is saved to its file after each validation, and goes on from it if it is
    there. Returns what went wrong with those that diverged, which costs the others nothing.
    """
    for trainer, state in zip(trainers, states, strict=bool(states)):
        if state.exists():
            trainer.load(state)
    diverged: dict[Trainer, DivergedError] = {}
    updates: dict[tuple[Trainer, ...], Callable[[], Tensor]] = {}
    while group := _behind([t for t in trainers if not (t.finished or t in diverged)]):
        if group not in updates:
            updates[group] = update_of(group, engine)
        diverged |= _until_validation(group, updates[group], progress)
        for trainer, state in zip(trainers, states, strict=bool(states)):
            if trainer in group and trainer not in diverged:
                trainer.save(state)
    for trainer in trainers:
        trainer.method.load_state_dict(trainer.best)
    return diverged


def _until_validation(
    group: Sequence[Trainer], update: Callable[[], Tensor], progress: Callable[[int], None]
) -> dict[Trainer, DivergedError]:
    began, diverged, losses = time.perf_counter(), {}, []
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
    return diverged


def update_of(group: Sequence[Trainer], engine: str) -> Callable[[], Tensor]:
    """An update of every trainer of a group, that gives their losses."""
    if engine == "compiled":
        group[0].loss = Compiled(group[0].method.loss)
    update = partial(update_together, group) if len(group) > 1 else group[0].update
    if engine == "captured":
        return Captured(update, [g for trainer in group for g in (trainer.fresh, trainer.replayed)])
    return update


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


class Compiled:
    """A function by torch.compile; where that is not possible, as it is, with one line in the log.

    There are the same numbers but for rounding.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.fast = function, torch.compile(function)

    def __call__(self, *arguments: Any) -> Any:
        from torch._dynamo.exc import TorchDynamoException  # a second of imports

        try:
            return self.fast(*arguments)
        except TorchDynamoException as error:
            log.warning("torch.compile is not possible here: %s", str(error).partition("\n")[0])
            self.fast = self.function
            return self.function(*arguments)


class Captured:
    """An update as one CUDA graph: all of it is launched at once, and Python does nothing more."""

    warm_up = 3  # updates, the first of which has no replayed problems

    def __init__(self, update: Callable[[], Tensor], generators: Sequence[torch.Generator]) -> None:
        self.update, self.generators = update, generators
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        self.losses: Tensor | None = None  # where the graph writes them
        self.done = 0

    def __call__(self) -> Tensor:
        self.done += 1
        if self.done <= self.warm_up:
            return self._beside(self.update)
        if self.losses is None:
            for generator in self.generators:
                self.graph.register_generator_state(generator)
            with torch.cuda.graph(self.graph, stream=self.stream):
                self.losses = self.update()
        self.graph.replay()
        return self.losses.clone()

    def _beside(self, function: Callable[[], Tensor]) -> Tensor:
        """On the stream that is captured later, as capturing asks for."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            result = function()
        torch.cuda.current_stream().wait_stream(self.stream)
        return result


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
