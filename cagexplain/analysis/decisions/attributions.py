"""What in the observation drove a choice: integrated gradients on the agent's network.

Sundararajan, Taly and Yan (2017): the gradient of the target along the straight line from a
baseline to the input, times their difference. The attributions add up to the difference of the
target between the two (completeness); what the numerical integral misses of that is reported. The
baseline is the quiet observation: nothing seen and nothing done, in the same world and phase.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from cagexplain.analysis.decisions.replay import Moment
from cagexplain.cc4 import observations
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.cc4.network import N_ZONES
from cagexplain.common.results import Result
from cagexplain.policies.learned import features
from cagexplain.policies.learned.features import GROUPS
from cagexplain.policies.learned.networks import Recurrent
from cagexplain.policies.learned.trained import TrainedPolicy
from cagexplain.policies.wrappers.base import unwrapped

POINTS: Final = 200
"""Where the gradient is taken on the line."""


@dataclass(frozen=True)
class Influence(Result):
    """What an entry of the network's input contributed.

    Attributes:
        name: such as "process alert on user_host_3 (RZA)".
        value: that the entry had, in the unit of its name.
        baseline: its value in the quiet observation.
        attribution: its share of the difference of the target, signed.
    """

    name: str
    value: float
    baseline: float
    attribution: float


@dataclass(frozen=True)
class Attribution(Result):
    """Integrated gradients of a choice.

    Attributes:
        target: what is explained, such as "log-probability of the choice".
        at_baseline: its value for the quiet observation.
        at_input: its value for the observation decided on.
        completeness_error: the attributions' sum minus the difference of the two.
        influences: entries that differ from the baseline, largest attribution first.
        notes: what is held fixed.
    """

    target: str
    at_baseline: float
    at_input: float
    completeness_error: float
    influences: tuple[Influence, ...]
    notes: tuple[str, ...]


def attribute(moment: Moment, points: int = POINTS) -> Attribution | None:
    """Explain the choice of a trained policy by its inputs; None if there is no network.

    Args:
        moment: of the decision.
        points: at which the gradient is taken.
    """
    if not isinstance(unwrapped(moment.policy), TrainedPolicy):
        return None
    branch = moment.about_to_act()
    policy = unwrapped(branch)
    assert isinstance(policy, TrainedPolicy)
    agent = moment.place.agent
    group = next(g for g, members in enumerate(GROUPS) if agent in members)
    member = GROUPS[group].index(agent)
    state = policy.acting.states[group]  # before the decision: `act` puts another in its place
    branch.act(moment.snapshot.obs, moment.snapshot.mask, moment.free, moment.submitted[None])
    legal = torch.isfinite(policy.logits[group][member, 0].clone())
    target = functools.partial(
        _target,
        policy,
        group,
        member,
        None if state is None else state[:, member : member + 1].clone().double(),
        legal,
        moment.chosen,
    )
    x = policy.inputs[group][member].double()
    baseline = x.clone()
    baseline[:, _seen_or_done(policy.profile, agent, x[0])] = 0
    attribution, error = integrated_gradients(target, x, baseline, points)
    start, end = (float(target(row)) for row in (baseline, x))
    return Attribution(
        target="value of the choice" if policy.values else "log-probability of the choice",
        at_baseline=start,
        at_input=end,
        completeness_error=error,
        influences=_influences(policy.profile, agent, x, baseline, attribution),
        notes=()
        if state is None
        else (
            "The network remembers: what it knew from before is held fixed, and only the "
            "observation of this step is explained.",
        ),
    )


def integrated_gradients(
    target: Callable[[Tensor], Tensor], x: Tensor, baseline: Tensor, points: int
) -> tuple[npt.NDArray[np.float64], float]:
    """Attributions of the entries of one input, and their completeness error.

    Args:
        target: from rows (n, width) to values (n).
        x, baseline: (1, width).
        points: of the Gauss-Legendre rule.
    """
    from captum.attr import IntegratedGradients  # slow

    gradients, error = IntegratedGradients(target).attribute(
        x, baseline, n_steps=points, method="gausslegendre", return_convergence_delta=True
    )
    return np.asarray(gradients[0].detach().numpy()), float(error)


def _target(
    policy: TrainedPolicy,
    group: int,
    member: int,
    state: Tensor | None,
    legal: Tensor,
    action: int,
    x: Tensor,
) -> Tensor:
    """Log-probability, or value, of an action for inputs (n, width): (n)."""
    stack = policy.actors[group]
    layers = [(weight.double(), bias.double()) for weight, bias in stack.member(member)]
    if isinstance(stack.network, Recurrent) and state is not None:
        output, _ = stack.network.step(layers, x[None], state.expand(-1, -1, len(x), -1))
    else:
        output = stack.network(layers, x[None])
    if policy.values:
        return output[0, :, action]
    return torch.log_softmax(output[0].masked_fill(~legal, -torch.inf), -1)[:, action]


def _seen_or_done(profile: str, agent: int, x: Tensor) -> npt.NDArray[np.int64]:
    """Inputs that are zero when nothing was seen and nothing done.

    The others tell the phase, the agent's zones, what the comms policy of the phase is, which hosts
    exist and the time; or about hosts that do not exist.
    """
    fixed = [observations.PHASE]
    for zone in BLUE_ZONES[agent]:
        start = observations.block_start(agent, zone)
        for part in (observations.ONE_HOT, observations.POLICY):
            fixed += range(start + part, start + part + N_ZONES)
    width = features.sizes(profile)[agent]
    exists = features.exists_column(profile)
    if exists >= 0:
        columns = features.host_columns(profile, agent)
        absent = columns[x.numpy()[columns[:, exists]] == 0]
        fixed += [*features.given_columns(profile, agent), *absent.ravel()]
    return np.setdiff1d(np.arange(width), fixed)


def _influences(
    profile: str,
    agent: int,
    x: Tensor,
    baseline: Tensor,
    attribution: npt.NDArray[np.float64],
) -> tuple[Influence, ...]:
    names, unit = features.names(profile, agent), features.units(profile, agent)
    value, before = (np.round(row[0].numpy() * unit, 4) for row in (x, baseline))
    changed = np.flatnonzero(value != before)
    order = changed[np.argsort(-np.abs(attribution[changed]), kind="stable")]
    return tuple(
        Influence(names[i], float(value[i]), float(before[i]), float(attribution[i])) for i in order
    )
