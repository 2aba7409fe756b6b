"""When a method that decides itself halts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid


def halting_distribution(logits: Float[Tensor, "T B"]) -> Float[Tensor, "T B"]:
    """log p_t: the logarithm of the probability of halting at each step and at none before.

    p_t = l_t * prod_{s<t} (1 - l_s) with l = sigmoid(logits); the last step halts with all that is
    left (Banino et al., 2021). Finite logits, however large, give finite numbers.
    """
    going_on = logsigmoid(-logits).cumsum(dim=0)  # log prod_{s<=t} (1 - l_s)
    reached = torch.cat([torch.zeros_like(going_on[:1]), going_on[:-1]])
    return torch.cat([logsigmoid(logits[:-1]) + reached[:-1], reached[-1:]])
