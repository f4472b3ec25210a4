"""The space that is searched: red tables as vectors of real numbers.

A vector has a logit per action that a state may take, and a log-weight per state; a row's
probabilities are the softmax of its logits. What is not a number (whether own sessions count, which
source is used, where Impacts are allowed, durations, preference for servers) stays as the start has
it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from cagexplain.attack.results import Rules
from cagexplain.attack.rules import FREE, support
from cagexplain.cc4.red_fsm import N_STATES
from cagexplain.cc4.red_table import STATES
from cagexplain.cc4.reds import RedTable
from cagexplain.common.arrays import FloatArray

_RAREST: Final = 0.01
"""What the start's rarer actions count as: logits far below are noise that the search would have to
climb out of."""
_LIGHTEST: Final = 1e-3
"""The same of weights: such a state is next to never chosen."""
_FARTHEST: Final = 12.0
"""Logits and log-weights further than this below the largest of their row count as that far."""


class Space:
    """Tables as vectors.

    Args:
        start: the red whose habits all tables have, and around which is searched.
        rules: what tables may do.
    """

    def __init__(self, start: RedTable, rules: Rules) -> None:
        self.start = start
        self._support = support(rules)
        self._rows = [(state, np.flatnonzero(self._support[state])) for state in STATES]
        self._impacts = "free" if rules == FREE else start.impacts
        self.size = sum(len(actions) for _, actions in self._rows) + len(STATES)

    def vector(self) -> FloatArray:
        """``float64[size]``: where the search begins, next to the start."""
        parts = [
            self._logs(self.start.probability[state, actions], _RAREST)
            for state, actions in self._rows
        ]
        weight = self.start.state_weight
        by_state = np.ones(len(STATES)) if weight is None else weight[list(STATES)]
        return np.concatenate([*parts, self._logs(by_state, _LIGHTEST)])

    @staticmethod
    def _logs(values: FloatArray, least: float) -> FloatArray:
        logs: FloatArray = np.log(np.maximum(values / values.max(), least))
        return logs

    def table(self, vector: FloatArray, name: str, summary: str) -> RedTable:
        """The red of a vector ``float64[size]``."""
        probability = np.zeros_like(self.start.probability)
        first = 0
        for state, actions in self._rows:
            shares = _softened(vector[first : first + len(actions)])
            probability[state, actions] = shares / shares.sum()
            first += len(actions)
        weight = np.zeros(N_STATES)
        weight[list(STATES)] = _softened(vector[first:])
        return replace(
            self.start,
            name=name,
            summary=summary,
            probability=probability,
            state_weight=weight,
            impacts=self._impacts,
        )


def _softened(logs: FloatArray) -> FloatArray:
    """The values of logs, relative to the largest of them."""
    values: FloatArray = np.exp(np.maximum(logs - logs.max(), -_FARTHEST))
    return values
