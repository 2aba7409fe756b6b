"""Counted floating-point operations."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def _svd(matrix: torch.Tensor, *_: Any, **__: Any) -> int:
    """4 m² n + 8 m n² + 9 n³ for the factors of an m x n matrix (Golub and Van Loan, 2013)."""
    *batch, m, n = matrix.shape
    return math.prod(batch) * (4 * m**2 * n + 8 * m * n**2 + 9 * n**3)


FORMULAS = {torch.ops.aten._linalg_svd: _svd} | flop_registry


class FlopCounter(TorchDispatchMode):
    """Adds up the floating-point operations of everything that runs inside.

    A matrix product counts by torch's own formulas, a multiply-add as 2; an elementwise operation
    one per result, so that a min-plus step is 2; a sum, a maximum or a minimum one per number read.
    (torch's FlopCounterMode counts products alone and follows modules by hooks that cannot bear the
    gradient with respect to an input.)
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        formula = FORMULAS.get(function._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        elif torch.Tag.reduction in function.tags:
            self.total += _numbers(args[0])
        elif torch.Tag.pointwise in function.tags and function is not torch.ops.aten.clone.default:
            self.total += _numbers(result)
        return result


def _numbers(value: Any) -> int:
    """How many floating-point numbers a tensor holds."""
    return value.numel() if isinstance(value, torch.Tensor) and value.is_floating_point() else 0
