"""What the actions of a kind are worth: the policy as it is, and with Sleep in their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from cagexplain.audit.autonomy import KINDS, TOGETHER
from cagexplain.audit.play.team import Play, Team, Workers
from cagexplain.audit.results import Change
from cagexplain.common.arrays import FloatArray, Int64Array
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.wrappers.without import Without
from cagexplain.stats import means

PAIRS: Final = 60
"""Most pairs of episodes: the limits are then 20 to 70 points off for the shipped policies, enough
to tell what carries a defence from what does not, in half a minute."""
_USUAL: Final = "as it is"


def worth(
    policy: Policy,
    kinds: Sequence[str],
    seeds: Int64Array,
    params: EnvParams | None = None,
    *,
    workers: Workers = 1,
    advance: Callable[[int], None] = lambda steps: None,
) -> dict[str, Change]:
    """Play a policy with and without each kind of action.

    Args:
        policy: to play.
        kinds: keys of `KINDS`; waits are left out.
        seeds: ``int[episode]``, not those that were audited.
        params: of the environment; CC4's own by default.
        workers: where to play; see `Team`.
        advance: is told environment steps as they are played.

    Returns:
        By kind the change of the return by its actions, with limits at `TOGETHER`.

    Raises:
        CagexplainError: a worker process died.
    """
    without = {
        name: Without(policy, KINDS[name].actions) for name in kinds if not KINDS[name].waits
    }
    if not without:
        return {}
    usual = np.asarray(seeds, np.int64)
    plays = [Play(name, usual, params=params or EnvParams()) for name in (_USUAL, *without)]
    with Team({_USUAL: policy, **without}, workers, advance) as team:
        plain, *others = (counts.returns for counts in team.play(plays))
    return {name: _change(plain - other) for name, other in zip(without, others, strict=True)}


def _change(gain: FloatArray) -> Change:
    mean = float(gain.mean())
    if len(gain) < means.MIN_EPISODES:
        return Change(mean, None, None)
    low, high = means.limits(gain, TOGETHER)
    return Change(mean, float(low), float(high))
