"""DET-02: actions depend on alerts at all.

The dependence is that between two classes of a free agent's decision: the class of its action, and
what its hosts showed in the last `WINDOW` steps. For each kind of alert (process, connection) that
is: shown now, shown in the steps before, or not shown, which makes nine patterns. Mutual
information is divided by the entropy of the action class (Theil's uncertainty coefficient, 0 to 1).

Plug-in information is never zero, and a policy that acts by the clock meets alerts that come by the
clock: blue's first blocks fall in the quiet beginning, and a change of phase brings both new blocks
and the alerts of users whom the old ones now stop. So the value is the information minus its mean
over `OTHERS` pairings in which each decision is held against what another episode of the batch
showed the same agent at the same step. That keeps what the clock explains and breaks the tie
between an alert and its answer; circular shifts within the episode break the clock as well, and let
blind scripts pass. Only an episode that stands alone is paired with itself, shifted by some steps.
The pairings are fixed, so that the same batches of episodes give the same value; other batches
change it a little. Both terms are functions of
sums over episodes, so the bootstrap judges their difference instead of a permutation test.
"""

import numpy as np
import numpy.typing as npt

from cagexplain.audit.check import Check, Measure, Reference
from cagexplain.cc4.actions import N_KINDS
from cagexplain.cc4.agents import BLUE_OF_HOST, N_BLUE
from cagexplain.common.arrays import BoolArray, FloatArray
from cagexplain.facts.view import View, connection, decisions, process, recently
from cagexplain.stats.estimates import Function

WINDOW = 6
OTHERS = 8
_SHIFT = 31
_PATTERNS = 9
_CELLS = _PATTERNS * N_KINDS


def patterns(view: View) -> npt.NDArray[np.int8]:
    """``int8[n, T, 5]`` what the hosts of each agent showed: 0 to 8, 0 for nothing."""
    kinds = [_recency(_by_agent(view.shared(flags))) for flags in (process, connection)]
    return kinds[0] * np.int8(3) + kinds[1]


def _by_agent(flags: BoolArray) -> BoolArray:
    """``bool[n, T, 5]`` whether any host of each agent is flagged."""
    return np.stack([flags[:, :, agent == BLUE_OF_HOST].any(axis=2) for agent in range(N_BLUE)], 2)


def _recency(flags: BoolArray) -> npt.NDArray[np.int8]:
    return np.where(flags, 2, recently(flags, WINDOW)).astype(np.int8)


def tables(view: View) -> FloatArray:
    """``float64[n, (1 + OTHERS) * 9 * 8]`` decisions by pattern and action class, as they were and
    in each pairing."""
    decision, shown = view.shared(decisions), view.shared(patterns)
    columns = []
    for further, later in [(0, 0), *_pairings(view.n)]:
        row, step = (decision.row + further) % view.n, (decision.step + later) % view.steps
        row_pattern = decision.row * _PATTERNS + shown[row, step, decision.agent]
        cell = row_pattern * N_KINDS + decision.kind
        counts = np.bincount(cell, minlength=view.n * _CELLS)
        columns.append(counts.reshape(view.n, _CELLS))
    return np.hstack(columns).astype(np.float64)


def _pairings(n: int) -> list[tuple[int, int]]:
    """By how many episodes, and steps, what is compared lies apart."""
    if n == 1:
        return [(0, _SHIFT * number) for number in range(1, 1 + OTHERS)]
    return [(1 + number % (n - 1), 0) for number in range(OTHERS)]


def excess(totals: FloatArray) -> FloatArray:
    """Normalised information ``[...]`` beyond that of the pairings; 0 if there is one action type
    only. Totals are ``[..., k]``."""
    every = totals.reshape(*totals.shape[:-1], 1 + OTHERS, _PATTERNS, N_KINDS)
    joint = every / np.maximum(every.sum(axis=(-2, -1), keepdims=True), 1)
    action = joint.sum(axis=-2)
    information = (
        _entropy(action)
        + _entropy(joint.sum(axis=-1))
        - _entropy(joint.reshape(*joint.shape[:-2], -1))
    )
    beyond = information[..., 0] - information[..., 1:].mean(axis=-1)
    uncertainty = _entropy(action[..., 0, :])
    some = uncertainty > 1e-9
    share: FloatArray = np.where(some, beyond, 0) / np.where(some, uncertainty, 1)
    return share


def _entropy(shares: FloatArray) -> FloatArray:
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy: FloatArray = -(shares * logs).sum(axis=-1)
    return entropy


def alerted(totals: FloatArray) -> FloatArray:
    """Decisions with any alert in the window, ``[...]`` from totals ``[..., k]``."""
    count: FloatArray = totals[..., N_KINDS:_CELLS].sum(axis=-1)
    return count


CHECK = Check(
    id="DET-02",
    title="Actions depend on alerts at all",
    problem="What the defenders do does not depend on alerts",
    severity="medium",
    axis="practice",
    knowledge="obs",
    why="Tells a slow or indirect reaction, by which an alert leads to some other action within a "
    "few steps, from none. A policy that mainly prevents scores low here: read it with DET-01.",
    remediation="Train with observations in which the alerts decide about the reward, or put rules "
    "in front of the policy that answer alerts.",
    formula="Mutual information between what the agent's hosts showed in the last 6 steps "
    "(process and connection alerts: now, before, or not) and the class of the action that it "
    "started, minus its mean when each decision is paired with the alerts of the same step of "
    "other episodes, divided by the entropy of the action class.",
    trigger="decisions with an alert in the last 6 steps",
    n_min=200,
    references=(
        Reference("CSF", "DE.AE-02"),
        Reference("SP 800-53", "SI-4(7)"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of the uncertainty about the action's class that recent alerts take away",
            unit="ratio",
            better="higher",
            good=0.01,
            bad=0.001,
            statistic=Function(excess, alerted),
            sums=tables,
        ),
    ),
    needs=frozenset({"observations"}),
    related=("DET-01", "POL-01"),
    extra=True,
)
