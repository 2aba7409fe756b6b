"""The energy of the matrix tasks: a multilayer perceptron on [y, x]."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear, silu

from irem_core.descent import descend
from irem_core.precision import precision_here
from irem_core.types import Problem, StepRule, last

Layers = Sequence[tuple[Tensor, ...]]
"""Weight and bias of every layer after the first."""

silu_back = torch.ops.aten.silu_backward
"""From a derivative by swish(a), and a, to the derivative by a."""


class MLPEnergy(nn.Module):
    """[y, x] -> hidden -> hidden -> hidden -> 1 with swish between (Du et al., 2022)."""

    idle_entries = 0

    def __init__(self, n_in: int, n_out: int, hidden: int = 512) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(
            nn.Linear(width, hidden) for width in (n_out + n_in, hidden, hidden)
        )
        self.out = nn.Linear(hidden, 1)
        # a constant in the energy: no descent and so no loss depends on it
        self.out.bias.requires_grad_(False)

    def forward(self, problem: Problem, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        return self.at(problem)(answer)

    def at(self, problem: Problem) -> MLPLandscape:
        """E(x, .), with the share of x in the first layer computed once."""
        return MLPLandscape(self, problem)


class MLPLandscape:
    """The energy of answers to given problems. Its gradient is backpropagation written down."""

    def __init__(self, energy: MLPEnergy, problem: Problem) -> None:
        first, *others = energy.layers
        n_out = problem.start.shape[1]
        self.of_answer = first.weight[:, :n_out]  # W, [hidden, n_out]
        self.share = linear(problem.x, first.weight[:, n_out:], first.bias)  # [B, hidden]
        self.layers: Layers = [(layer.weight, layer.bias) for layer in others]
        self.out = energy.out

    def __call__(self, answer: Float[Tensor, "B n_out"]) -> Float[Tensor, " B"]:
        hidden = silu(_sums(torch.addmm(self.share, answer, self.of_answer.T), self.layers)[-1])
        return self.out(hidden).squeeze(1).to(answer.dtype)

    def gradient(
        self, answer: Float[Tensor, "B n_out"], keep_graph: bool = False
    ) -> Float[Tensor, "B n_out"]:
        """dE/dy; with ``keep_graph`` it can be differentiated by y and the parameters."""
        if keep_graph:
            others = (tensor for layer in self.layers for tensor in layer)
            of = (answer, self.share, self.of_answer, self.out.weight, *others)
            return _Gradient.apply(*of)[0]
        with torch.no_grad():
            sums = torch.addmm(self.share, answer, self.of_answer.T)
            return self.delta(sums) @ self.of_answer

    def leap(
        self, answer: Float[Tensor, "B n_out"], steps: int, rule: StepRule
    ) -> Float[Tensor, "B n_out"]:
        """The answer after ``steps`` steps, where none between is asked for.

        Every gradient is a combination of the rows of W, so the answer stays y + c W, and the
        network sees it through W y + c W W' alone: the descent can run on c. Not in bfloat16: c
        grows in the directions that W sends to almost nothing, and rounding it moves the answer.
        """
        with torch.no_grad():  # not a decorator, which torch.compile cannot trace on a method
            if torch.is_autocast_enabled(answer.device.type):
                return last(descend(self, answer, steps, rule))
            along = _Along(self, torch.addmm(self.share, answer, self.of_answer.T))
            c = last(descend(along, answer.new_zeros(along.sums.shape), steps, rule))
            return torch.addmm(answer, c, self.of_answer)

    def delta(self, first: Float[Tensor, "B hidden"]) -> Float[Tensor, "B hidden"]:
        """dE by the sums of the first layer, before its swish."""
        sums = _sums(first, self.layers)
        return _deltas(sums, self.out.weight, self.layers)[0][0]


class _Along:
    """The landscape of c, the answer being y + c W: dE/dy is c's gradient times W.

    sums: those of the first layer at c = 0.
    """

    def __init__(self, landscape: MLPLandscape, sums: Float[Tensor, "B hidden"]) -> None:
        self.landscape, self.sums = landscape, sums
        self.gram = landscape.of_answer @ landscape.of_answer.T

    def gradient(
        self, c: Float[Tensor, "B hidden"], keep_graph: bool = False
    ) -> Float[Tensor, "B hidden"]:
        return self.landscape.delta(torch.addmm(self.sums, c, self.gram))


def _sums(first: Tensor, layers: Layers) -> list[Float[Tensor, "B hidden"]]:
    """What every layer gives before its swish, from what the first one does."""
    sums = [first]
    for weight, bias in layers:
        sums.append(linear(silu(sums[-1]), weight, bias))
    return sums


def _deltas(
    sums: list[Tensor], out: Float[Tensor, "1 hidden"], layers: Layers
) -> tuple[list[Float[Tensor, "B hidden"]], list[Float[Tensor, "B hidden"]]]:
    """dE by the sums of every layer; and by their swish, which is what arrives from above."""
    arriving = [out.to(sums[-1].dtype).expand_as(sums[-1])]
    deltas = [silu_back(arriving[0], sums[-1])]
    for (weight, _), before in zip(reversed(layers), reversed(sums[:-1]), strict=True):
        arriving.append(deltas[-1] @ weight)
        deltas.append(silu_back(arriving[-1], before))
    return deltas[::-1], arriving[::-1]


class _Gradient(torch.autograd.Function):
    """dE/dy as a function of y and the parameters, with its derivative in closed form.

    For a loss whose derivative by dE/dy is v, its derivatives are those of the slope dE/dy * v with
    v held fixed: forward through the layers along v, and back (Pearlmutter, 1994).
    What the derivative needs of the way is given out beside dE/dy.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(
        answer: Tensor, share: Tensor, of_answer: Tensor, out: Tensor, *others: Tensor
    ) -> tuple[Tensor, ...]:
        layers = _paired(others)
        sums = _sums(torch.addmm(share, answer, of_answer.T), layers)
        deltas, arriving = _deltas(sums, out, layers)
        return deltas[0] @ of_answer, *sums, *arriving[:-1]

    @staticmethod
    def setup_context(ctx: Any, inputs: Sequence[Tensor], output: Sequence[Tensor]) -> None:
        answer, _, of_answer, out, *others = inputs
        ctx.precision = precision_here(answer)  # to differentiate in
        ctx.set_materialize_grads(False)  # nothing is asked of what was given out beside
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(answer, of_answer, out, *others, *output[1:])

    @staticmethod
    def backward(ctx: Any, *derivatives: Tensor) -> Any:
        with ctx.precision:
            return _Gradient._backward(ctx, derivatives[0])

    @staticmethod
    def _backward(ctx: Any, v: Tensor) -> Any:
        answer, of_answer, out, *saved = ctx.saved_tensors
        count = (len(saved) + 3) // 4  # two of every layer but the first, then sums, then arriving
        layers = _paired(saved[: 2 * count - 2])
        sums, below = saved[2 * count - 2 : 3 * count - 2], saved[3 * count - 2 :]
        arriving = [*below, out.to(sums[-1].dtype).expand_as(sums[-1])]
        moving = _moving(v @ of_answer.T, sums, layers)
        bends = _bends(moving, sums, arriving, layers)
        delta, inner = silu_back(arriving[0], sums[0]), []
        moved = silu_back(moving.pop(0), sums[0])  # what is not needed again goes at once
        by_answer = torch.addmm(delta.T @ v, bends[0].T, answer)
        for k in range(1, count):  # of the layer from k - 1 to k
            delta = silu_back(arriving[k], sums[k])
            inner.append(torch.addmm(delta.T @ moved, bends[k].T, silu(sums[k - 1])))
            inner.append(bends[k].sum(dim=0))
            moved = silu_back(moving.pop(0), sums[k])
        return (
            bends[0] @ of_answer if ctx.needs_input_grad[0] else None,
            bends[0],
            by_answer,
            moved.sum(dim=0, keepdim=True),
            *inner,
        )


def _paired(tensors: Sequence[Tensor]) -> Layers:
    return list(zip(tensors[::2], tensors[1::2], strict=True))


def _moving(
    first: Tensor, sums: Sequence[Tensor], layers: Layers
) -> list[Float[Tensor, "B hidden"]]:
    """How the sums of every layer move when those of the first move so."""
    moving = [first]
    for (weight, _), before in zip(layers, sums[:-1], strict=True):
        moving.append(silu_back(moving[-1], before) @ weight.T)
    return moving


def _bends(
    moving: Sequence[Tensor], sums: Sequence[Tensor], arriving: Sequence[Tensor], layers: Layers
) -> list[Float[Tensor, "B hidden"]]:
    """The derivative of the slope by the sums of every layer."""
    bends = [arriving[-1] * moving[-1] * _curvature(sums[-1])]
    for k in reversed(range(len(layers))):
        bend = silu_back(bends[0] @ layers[k][0], sums[k])
        bends.insert(0, bend.add_((arriving[k] * moving[k]).mul_(_curvature(sums[k]))))
    return bends


def _curvature(sums: Tensor) -> Tensor:
    """The second derivative of swish."""
    gate = sums.sigmoid()
    curved = torch.rsub(gate, 1, alpha=2).mul_(sums).add_(2)
    return curved.mul_(gate.mul_(1 - gate))
