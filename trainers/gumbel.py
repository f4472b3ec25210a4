"""Samples of a masked categorical distribution that pass a gradient on to the logits.

Every estimator returns one-hot vectors that are exact samples of softmax(raw + legal). They differ
in the gradient, which each takes from a softmax of logits shifted by noise. All of them are biased
and trade the bias for variance by the temperature. The mask comes before the noise: an illegal
action is never drawn and gets no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Estimator = Callable[[Tensor, Tensor, float, np.random.Generator], Tensor]
"""(raw, legal, temperature, rng) -> one-hot samples (..., actions): `raw` (..., actions) are the
logits, `legal` is 0 or, where an action is illegal, minus infinity."""

_GAP: Final = 1.0
_RAO_SAMPLES: Final = 10


def straight_through(
    raw: Tensor, legal: Tensor, temperature: float, rng: np.random.Generator
) -> Tensor:
    """The gradient of softmax((logits + Gumbel noise) / temperature), whose largest entry is the
    sample (Jang et al. 2017, Maddison et al. 2017).

    Args:
        raw: (members, rows, actions) logits.
        legal: of the same shape, 0 or minus infinity.
        temperature: of the softmax.
        rng: for the noise.
    """
    noisy = raw + legal - _exponential(raw.shape, rng, raw).log()
    return _replace_value(torch.softmax(noisy / temperature, -1), noisy.argmax(-1))


def gapped(raw: Tensor, legal: Tensor, temperature: float, rng: np.random.Generator) -> Tensor:
    """The gradient of a softmax without noise, of logits moved just as far as makes the sample the
    largest by a gap (Fan et al. 2022).

    Raw and legal are (members, rows, actions), as in `straight_through`.
    """
    with torch.no_grad():
        logits = raw + legal
        chosen = (logits - _exponential(raw.shape, rng, raw).log()).argmax(-1)
        top = logits.amax(-1, keepdim=True)
        moved = torch.minimum(logits, top - _GAP).scatter(-1, chosen.unsqueeze(-1), top)
    return _replace_value(torch.softmax(_at(moved, raw) / temperature, -1), chosen)


def rao(raw: Tensor, legal: Tensor, temperature: float, rng: np.random.Generator) -> Tensor:
    """The gradient of `straight_through`, averaged over the noise that gives the same sample
    (Gumbel-Rao, Paulus et al. 2021), by Monte Carlo; raw and legal (members, rows, actions).
    """
    with torch.no_grad():
        logits = raw + legal
        chosen = (logits - _exponential(raw.shape, rng, raw).log()).argmax(-1).unsqueeze(-1)
        # Given the sample, log Z - log E is the largest noisy logit, and the others lie below it.
        waits = _exponential((_RAO_SAMPLES, *raw.shape), rng, raw)
        index = chosen.expand(_RAO_SAMPLES, *chosen.shape)
        first = waits.gather(-1, index)
        waits = first + waits * torch.exp(-torch.log_softmax(logits, -1))
        noisy = -waits.scatter(-1, index, first).log()
    soft = torch.softmax(_at(noisy, raw) / temperature, -1).mean(0)
    return _replace_value(soft, chosen.squeeze(-1))


ESTIMATORS: Final[Mapping[str, Estimator]] = {
    "straight_through": straight_through,
    "gapped": gapped,
    "rao": rao,
}


def _exponential(shape: tuple[int, ...], rng: np.random.Generator, like: Tensor) -> Tensor:
    """Exponential random numbers, never zero; minus the logarithm of one is a Gumbel variable."""
    uniform = torch.from_numpy(rng.random(shape, dtype=np.float32)).to(like)
    return -torch.log1p(-uniform).clamp_max(-(2.0**-25))


def _at(value: Tensor, raw: Tensor) -> Tensor:
    """`value`, with the gradient of `raw`."""
    return raw + (value - raw.detach())


def _replace_value(soft: Tensor, chosen: Tensor) -> Tensor:
    """The one-hot vectors of the chosen actions, with the gradient of `soft`."""
    hard = F.one_hot(chosen, soft.shape[-1]).to(soft.dtype)
    return hard + (soft - soft.detach())
