"""docs/fidelity.md lists exactly what is compared and what is not."""

from dataclasses import fields

import numpy as np

from cagexplain.cc4 import actions
from cagexplain.envs import BatchedEnv, GroundTruth, full_state
from cagexplain.fidelity import view
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "fidelity.md").read_text()


def test_all_arrays_and_facts_are_listed() -> None:
    for name in (*view.PUBLIC, *(field.name for field in fields(GroundTruth))):
        assert f"`{name}`" in TEXT, name


def test_all_families_are_listed() -> None:
    env = BatchedEnv(8)
    env.reset(np.arange(8))
    generator = np.random.default_rng(0)
    families = set()
    for _ in range(60):
        env.step(generator.integers(actions.SIZES, size=(8, 5)))
        families |= {key.split("|")[0] for e in range(8) for key in env.full_state(e)}
    assert len(families) > 10
    assert full_state.__doc__ is not None
    for family in families:
        assert f"`{family}`" in TEXT, family
        assert f"``{family}``" in full_state.__doc__, family


def test_what_is_left_out_is_listed_with_its_reason() -> None:
    for what, reason in full_state.LEFT_OUT.items():
        assert f"| {what} | {reason} |" in TEXT, what
    for key in view.LEFT_OUT:
        assert f"| `{key}` in a raw observation |" in TEXT, key
