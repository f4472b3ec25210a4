"""What environments are given, checked once where they enter: behind that, compiled code and worker
processes use indices as they are.

Every function returns the checked value in the form in which it is used, or raises a
:class:`UsageError` before anything has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import actions as action_layout
from cagexplain.cc4.agents import N_BLUE, N_RED
from cagexplain.cc4.red_views import CHOICE
from cagexplain.common.errors import UsageError
from cagexplain.common.inputs import as_array, shown, whole_number
from cagexplain.sim.params import EnvParams

MAX_ENVS: Final = 1 << 16
"""Environments of a batch: their states take 27 GiB."""
MAX_WORKERS: Final = 1024
MAX_SKIPPED: Final = 10_000
"""Worlds that a reset may draw and discard: a few seconds per environment."""


def n_envs(value: object) -> int:
    """A batch size."""
    return whole_number(value, "n_envs", 1, MAX_ENVS)


def workers(value: object, field: str) -> int:
    """A number of threads or processes."""
    return whole_number(value, field, 1, MAX_WORKERS)


def params(value: EnvParams | None) -> EnvParams:
    """An environment's parameters; None: the defaults."""
    if value is None or isinstance(value, EnvParams):
        return value or EnvParams()
    raise UsageError(
        f"a {type(value).__name__} is no set of parameters",
        field="params",
        remedy="Give an EnvParams",
    )


def all_params(value: EnvParams | Sequence[EnvParams] | None, n: int) -> tuple[EnvParams, ...]:
    """The parameters of each of ``n`` environments, which may differ in red only."""
    if value is None or isinstance(value, EnvParams):
        return (params(value),) * n
    if not isinstance(value, Sequence) or len(value) != n:
        raise UsageError(
            f"this is no list of the parameters of {n} environments",
            field="params",
            remedy="Give an EnvParams, or one for each environment",
        )
    each = tuple(params(entry) for entry in value)
    for e, entry in enumerate(each):
        if replace(entry, red=each[0].red) != each[0]:
            raise UsageError(
                f"those of environment {e} differ from the first in more than red",
                field="params",
                remedy="Let the environments of a batch differ in red only",
            )
    return each


def flag(value: object, field: str) -> bool:
    """An option that is on or off."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise UsageError(
        f"{shown(value)} is not True or False", field=field, remedy="Give True or False"
    )


def skip_worlds(value: object) -> int:
    """A number of worlds to discard."""
    return whole_number(value, "skip_worlds", 0, MAX_SKIPPED)


def env_index(value: object, n: int) -> int:
    """One environment of a batch."""
    return whole_number(value, "env", 0, n - 1)


def agent_index(value: object) -> int:
    """One blue agent."""
    return whole_number(value, "agent", 0, N_BLUE - 1)


def seeds(value: object, n: int) -> list[int]:
    """One seed per environment (a single one may stand alone): whole numbers of any size from 0,
    as ``numpy.random.default_rng`` takes them."""
    array = np.atleast_1d(as_array(value))
    if array.shape != (n,):
        amount = f"{len(array)} seeds" if array.ndim == 1 else f"seeds of shape {array.shape}"
        raise UsageError(
            f"{amount} for {n} environments", field="seeds", remedy="Give one seed per environment"
        )
    listed: list[Any] = array.tolist()
    if not all(type(seed) is int and seed >= 0 for seed in listed):
        raise UsageError(
            f"{shown(value)} are not whole numbers from 0",
            field="seeds",
            remedy="Give whole numbers from 0",
        )
    return listed


def first_seeds(present: bool) -> None:
    """The first reset has to have seeds."""
    if not present:
        raise UsageError(
            "the first reset has no seeds",
            field="seeds",
            remedy="Give one seed per environment; later resets may go without",
        )


def was_reset(ready: bool, field: str) -> None:
    """There must be worlds before anything can be done with them."""
    if not ready:
        raise UsageError(
            "the environment was not reset", field=field, remedy="Call reset(seeds) first"
        )


def chosen(value: object, n: int) -> npt.NDArray[np.bool_]:
    """A choice of environments, ``bool[n]``. Lists of indices are refused: of zeros and ones, they
    could be either."""
    return _array(value, "chosen", (n,), "b", "truth values")


def actions(value: object, n: int) -> npt.NDArray[Any]:
    """Action indices, integers ``[n, 5]``; whether they are the agents' is not looked at."""
    return _array(value, "actions", (n, N_BLUE), "iu", "integers")


def outside_layout() -> UsageError:
    """What an index that is none of its agent's actions is answered with."""
    return UsageError(
        "an index is outside its agent's action layout",
        field="actions",
        remedy=f"Give indices below {action_layout.SIZES}, or those of "
        "cagexplain.cc4.actions.extra_index",
    )


def is_over() -> UsageError:
    """What a step after an episode's end is answered with."""
    return UsageError("an episode is over", field="step", remedy="Reset it before the next step")


def red_choices(value: object, n: int) -> npt.NDArray[np.int64]:
    """What is chosen for red, integers ``[n, 6, 3]``; whether it may is not looked at."""
    array = _array(value, "red_choices", (n, N_RED, CHOICE), "iu", "integers")
    return array.astype(np.int64)


def unusable_red_choice() -> UsageError:
    """What a choice that a free red agent does not have is answered with."""
    return UsageError(
        "a red agent may not do what was chosen for it",
        field="red_choices",
        remedy="Give one of what red_view() lists: choices() of a host, or a zone to sweep; and "
        "the id of a session that it has learnt, or -1",
    )


def bits(value: object, field: str, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Message bits: numbers or truth values, of which any but zero is a one."""
    array = _array(value, field, shape, "biuf", "zeros and ones")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UsageError("a bit is not finite", field=field, remedy="Give zeros and ones")
    return array.astype(np.bool_)


def rows(value: object, below: int, n: int | None = None) -> npt.NDArray[np.int64]:
    """``n`` (by default any number of) row numbers below a limit."""
    array = as_array(value)
    array = _array(array, "rows", (array.size if n is None else n,), "iu", "integers")
    if (array < 0).any() or (array >= below).any():
        raise UsageError(
            f"a row is outside 0 to {below - 1}",
            field="rows",
            remedy=f"Give a list of whole numbers from 0 to {below - 1}",
        )
    return array.astype(np.int64, copy=False)


def _array(
    value: object, field: str, shape: tuple[int, ...], kinds: str, contents: str
) -> npt.NDArray[Any]:
    array = as_array(value)
    if array.shape != shape or array.dtype.kind not in kinds:
        form = "no array" if array.dtype == object else f"{array.dtype} of shape {array.shape}"
        raise UsageError(f"this is {form}", field=field, remedy=f"Give {contents} of shape {shape}")
    return array
