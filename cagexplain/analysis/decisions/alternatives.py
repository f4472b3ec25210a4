"""What a policy thinks of its alternatives, and which of them are worth asking about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from cagexplain.analysis.decisions.replay import Moment
from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.common.arrays import BoolArray, FloatArray
from cagexplain.policies.base import Weighing
from cagexplain.policies.trees.named_features import ABSENT, FEATURES
from cagexplain.policies.trees.tree import Split, TreePolicy
from cagexplain.policies.wrappers.base import unwrapped

_FLAGS: Final = frozenset(feature.name for feature in FEATURES if feature.flag)


@dataclass(frozen=True)
class Preferences:
    """What the policy thinks of an agent's actions at a decision.

    Attributes:
        valid: ``bool[actions]`` under the mask that the policy obeys.
        weights: ``float64[actions]`` log-probabilities, or values if `values`; None without.
        values: what the weights are.
        path: conditions that a readable policy decided by.
    """

    valid: BoolArray
    weights: FloatArray | None
    values: bool
    path: tuple[str, ...] = ()

    def probability(self, action: int) -> float | None:
        """Probability of an action; None if the policy has none."""
        return None if self._probabilities is None else float(self._probabilities[action])

    def kind_probability(self, agent: int, kind: int) -> float | None:
        """Probability of all valid actions of a kind; None if the policy has none."""
        if self._probabilities is None:
            return None
        return float(self._probabilities[actions.KIND[agent] == kind].sum())

    def value(self, action: int) -> float | None:
        """Value of an action; None if the policy gives none."""
        return float(self.weights[action]) if self.values and self.weights is not None else None

    @property
    def entropy(self) -> float | None:
        """In nats; None if the policy has no probabilities."""
        p = self._probabilities
        return None if p is None else float(-(p[p > 0] * np.log(p[p > 0])).sum())

    def likeliest(self, action: int) -> bool | None:
        """Whether no action weighs more; None if the policy does not weigh them."""
        return None if self.weights is None else bool(self.weights[action] == self.weights.max())

    @property
    def _probabilities(self) -> FloatArray | None:
        return None if self.values or self.weights is None else np.exp(self.weights)


def preferences(moment: Moment) -> Preferences:
    """Ask a copy of the policy."""
    agent = moment.place.agent
    columns = actions.slice_of(agent)
    valid = moment.snapshot.mask[0, columns]
    if not isinstance(unwrapped(moment.policy), Weighing):
        return Preferences(valid, None, False)
    branch = moment.about_to_act()
    branch.act(moment.snapshot.obs, moment.snapshot.mask, moment.free, moment.submitted[None])
    policy = unwrapped(branch)
    assert isinstance(policy, Weighing)
    weights = policy.weights()[0, columns].astype(np.float64)
    path = _path(policy, agent, moment.chosen) if isinstance(policy, TreePolicy) else ()
    return Preferences(valid & np.isfinite(weights), weights, policy.values, path)


def _path(policy: TreePolicy, agent: int, action: int) -> tuple[str, ...]:
    """The questions of the tree that gave an action its weight, with their answers."""
    return tuple(_sentence(question) for question in policy.explain(0, agent, action))


def _sentence(question: Split) -> str:
    if question.feature in _FLAGS:
        return f"{question.feature}: {'yes' if question.above else 'no'}"
    value = "none" if question.value == ABSENT else f"{question.value:g}"
    side = "above" if question.above else "at most"
    return f"{question.feature}: {value}, {side} {question.threshold:g}"


def alternatives(
    moment: Moment, weighed: Preferences, *, every_action: bool = False
) -> tuple[int, ...]:
    """The chosen action and, for every other kind, the one that the policy likes best of it.

    A policy that does not weigh its actions is asked about the one on the host of the chosen
    action, else on a host with an alert, else about the first; of traffic control about the first
    that makes a block agree with the comms policy, else about the first.

    Args:
        moment: of the decision.
        weighed: what the policy thinks.
        every_action: all valid actions instead.
    """
    agent, chosen = moment.place.agent, moment.chosen
    if every_action:
        return tuple(int(i) for i in np.union1d(np.flatnonzero(weighed.valid), [chosen]))
    weights = weighed.weights if weighed.weights is not None else _merits(moment)
    picks = []
    for kind in ActionKind:
        of_kind = np.flatnonzero(weighed.valid & (actions.KIND[agent] == kind))
        if kind == actions.ALL_KIND[agent, chosen]:
            picks.append(chosen)
        elif len(of_kind):
            picks.append(int(of_kind[weights[of_kind].argmax()]))
    return tuple(picks)


_SAME_HOST: Final = 4.0


def _merits(moment: Moment) -> FloatArray:
    """How worth asking about each action is, for a policy that does not say."""
    agent = moment.place.agent
    obs = moment.snapshot.obs[0, observations.slice_of(agent)]
    merits = np.zeros(actions.SIZES[agent])
    chosen_host = actions.ALL_HOST[agent, moment.chosen]
    for action, kind in enumerate(actions.KIND[agent]):
        host = int(actions.HOST[agent][action])
        if host >= 0:
            merits[action] = (
                _SAME_HOST * (host == chosen_host)
                + 2 * obs[observations.process_bit(agent, host)]
                + obs[observations.connection_bit(agent, host)]
            )
        elif actions.TO_ZONE[agent][action] >= 0:
            pair = int(actions.TO_ZONE[agent][action]), int(actions.FROM_ZONE[agent][action])
            blocked = obs[observations.blocked_bit(agent, *pair)]
            wanted = obs[observations.policy_bit(agent, *pair)]
            merits[action] = blocked != wanted and wanted == (kind == ActionKind.BLOCK)
    return merits
