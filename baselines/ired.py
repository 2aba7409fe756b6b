"""Learning Iterative Reasoning through Energy Diffusion (Du, Mao, Tenenbaum, 2024)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from irem_core.automatic import AutomaticLandscape
from irem_core.checks import at_least, not_negative
from irem_core.method import Method
from irem_core.types import Batch, Problem, Step, Task

MINED = 2  # steps from a noisier answer to a negative
NOISIER = 3.0
INSIDE = 1 - 1e-6  # of (-1, 1), where a normal number belongs to every start


class IRED(Method):
    """An energy for every level of noise, E = ||f(x, y, t)||², and descent from level to level.

    The gradient of an energy is trained to be the noise in an answer, the energy itself to be lower
    at the right answer than at a wrong one that a descent has come to. An answer begins as noise;
    at each level it is freed of the noise there and goes on by a few steps, those left out that
    would raise its energy; then it is scaled to the next. The paper's code clamps answers to
    [-2, 2], which no answer of harder problems fits in, and gives the last one as scaled for the
    last level; here neither is done. Nor does the descent visit the level of the most noise, where
    1/200 of an answer is left: what is said there of an answer is noise 200 times as large.

    The noise of a problem is its start, of which a normal number is made.

    hidden: width of the network. levels: of noise, by the cosine schedule of Nichol and Dhariwal,
    2021. descents: steps at each level, beside the one that frees it of noise. contrast: weight of
    the contrastive loss.
    """

    name = "ired"
    energy: LevelEnergy

    def __init__(
        self,
        task: Task,
        *,
        hidden: int = 512,
        levels: int = 10,
        descents: int = 3,
        contrast: float = 0.5,
    ) -> None:
        super().__init__(task)
        at_least(1, hidden=hidden)
        at_least(2, levels=levels)
        at_least(0, descents=descents)
        not_negative(contrast=contrast)
        self.energy = LevelEnergy(task.n_in, task.n_out, hidden, levels)
        self.levels, self.descents, self.contrast = levels, descents, contrast
        self.inner_steps = (levels - 1) * (1 + descents)

    @classmethod
    def answers_task(cls, task: Task) -> bool:
        return task.domain == "matrix"

    def loss(self, batch: Batch) -> tuple[Float[Tensor, ""], Float[Tensor, "B n_out"]]:
        """The error of the gradient as noise, and how little the energy tells right from wrong.

        The levels are shared out evenly. Where the right and the wrong answer are compared both
        have the same noise, which is that of another problem.
        """
        problem, target, noise = batch.problem, batch.target, as_normal(batch.problem.start)
        level = torch.arange(len(batch), device=target.device) % self.levels
        landscape = self.energy.at_level(problem, level)
        kept, spread = landscape.kept, landscape.spread
        noised = kept * target + spread * noise
        said = landscape.gradient(noised, keep_graph=True)
        denoising = functional.mse_loss(said, noise)

        other = noise.roll(1, dims=0)
        wrong = (kept * target + NOISIER * spread * other).detach()
        for _ in range(MINED):
            wrong = landscape.lower(wrong)
        right = landscape(kept * target + spread * other)
        contrast = functional.softplus(right - landscape(wrong + spread * other)).mean()
        return denoising + self.contrast * contrast, (noised - spread * said) / kept

    def unroll(self, problem: Problem, steps: int) -> Iterator[Step]:
        if (problem.start.abs() > 1).any():
            raise ValueError("ired starts from noise: a start must be from -1 to 1")
        yield Step(problem.start)
        yield from map(Step, islice(self._answers(problem), steps))

    def _answers(self, problem: Problem) -> Iterator[Float[Tensor, "B n_out"]]:
        """From level to level, and on at the last."""
        answer = as_normal(problem.start)
        for level in reversed(range(self.levels - 1)):
            each = torch.full((len(problem),), level, device=answer.device)
            landscape = self.energy.at_level(problem, each)
            answer = answer - landscape.spread * landscape.gradient(answer)
            yield answer / landscape.kept
            for _ in range(self.descents):
                answer = landscape.lower(answer)
                yield answer / landscape.kept
            answer = answer / landscape.kept * self.energy.kept[max(level - 1, 0)]
        while True:
            answer = landscape.lower(answer)
            yield answer / landscape.kept


class LevelEnergy(nn.Module):
    """E(x, y, t) = ||f(x, y, t)||², f three layers wide, of which the level scales two and shifts.

    Without a level it is that of the least noise.
    """

    kept: Tensor
    spread: Tensor
    step_size: Tensor

    def __init__(self, n_in: int, n_out: int, hidden: int, levels: int) -> None:
        super().__init__()
        self.first = nn.Linear(n_in + n_out, hidden)
        self.inner = nn.ModuleList(Modulated(hidden, levels) for _ in range(2))
        self.out = nn.Linear(hidden, n_out)
        left = cosine_schedule(levels)
        lost = 1 - left / torch.cat([left.new_ones(1), left[:-1]])
        self.register_buffer("kept", left.sqrt())
        self.register_buffer("spread", (1 - left).sqrt())
        self.register_buffer("step_size", lost / (1 - left).sqrt())

    def forward(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> Scaled:
        """E(x, ., 0) of answers as they are."""
        level = torch.zeros(len(problem), dtype=torch.long, device=problem.x.device)
        return Scaled(self.at_level(problem, level))

    def at_level(self, problem: Problem, level: Int[Tensor, " B"]) -> LevelLandscape:
        """E(x, ., t), of answers that are noised as at each problem's level."""
        return LevelLandscape(self, problem, level)


class Modulated(nn.Module):
    """A linear map whose outputs the level scales and shifts, at first not at all."""

    def __init__(self, hidden: int, levels: int) -> None:
        super().__init__()
        self.map = nn.Linear(hidden, hidden)
        self.of_level = nn.Embedding(levels, 2 * hidden)
        nn.init.zeros_(self.of_level.weight)

    def forward(
        self, state: Float[Tensor, "B hidden"], level: Int[Tensor, " B"]
    ) -> Float[Tensor, "B hidden"]:
        gain, shift = self.of_level(level).chunk(2, dim=1)
        return self.map(state) * (1 + gain) + shift


class LevelLandscape(AutomaticLandscape):
    """The energy of noised answers to given problems, each at its level.

    kept, spread: [B, 1] what such an answer has of the right one, and of noise.
    """

    def __init__(self, energy: LevelEnergy, problem: Problem, level: Int[Tensor, " B"]) -> None:
        self.energy, self.problem, self.level = energy, problem, level
        self.kept, self.spread = energy.kept[level][:, None], energy.spread[level][:, None]
        self.step_size = energy.step_size[level][:, None]

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        net = self.energy
        state = functional.silu(net.first(torch.cat([self.problem.x, answer], dim=1)))
        for layer in net.inner:
            state = functional.silu(layer(state, self.level))
        return net.out(state).square().sum(dim=1)

    @torch.no_grad()
    def lower(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, "B n_out"]:
        """The answers after a step, but for those whose energy it would raise."""
        tried = answer - self.step_size * self.gradient(answer)
        falls = self(tried) <= self(answer)
        return torch.where(falls[:, None], tried, answer)


class Scaled(AutomaticLandscape):
    """The landscape of a level, for answers that are not scaled to it."""

    def __init__(self, landscape: LevelLandscape) -> None:
        self.landscape = landscape

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.landscape(self.landscape.kept * answer)


def as_normal(start: Float[Tensor, "B n_out"]) -> Float[Tensor, "B n_out"]:
    """Numbers from N(0, 1) of numbers from U(-1, 1)."""
    return math.sqrt(2) * torch.erfinv(start * INSIDE)


def cosine_schedule(levels: int) -> Float[Tensor, " levels"]:
    """Which share of the variance of an answer is left at each level (Nichol and Dhariwal, 2021).

    At most 0.999 of what is left is lost from one level to the next.
    """
    offset = 0.008
    angle = (torch.arange(levels + 1, dtype=torch.float64) / levels + offset) / (1 + offset)
    left = (angle * math.pi / 2).cos() ** 2
    lost = (1 - left[1:] / left[:-1]).clamp(0, 0.999)
    return (1 - lost).cumprod(0).to(torch.get_default_dtype())
