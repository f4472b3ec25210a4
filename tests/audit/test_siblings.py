"""Only the same method, trained with another seed, is a sibling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cagexplain.audit.siblings import require_sibling
from cagexplain.cli.main import main
from cagexplain.common.errors import UsageError
from cagexplain.policies.registry import load_policy

CONFIG = {"algorithm": "ippo", "steps": 100, "seed": 1, "hidden": [32], "gamma": 0.9, "envs": 4}


class Trained:
    """As much of a policy as is looked at."""

    def __init__(self, name: str = "mine", sha256: str = "a", **config: Any) -> None:
        self.name = name
        self.facts = {"kind": "checkpoint", "sha256": sha256, "config": CONFIG | config}

    def describe(self) -> dict[str, Any]:
        return self.facts


def refusal(other: Any, policy: Any = None) -> str:
    with pytest.raises(UsageError) as caught:
        require_sibling(policy or Trained(), other)
    return str(caught.value)


def test_another_seed_is_what_a_sibling_has() -> None:
    require_sibling(Trained(), Trained(sha256="b", seed=2))


def test_settings_that_an_older_checkpoint_lacks_decide_nothing() -> None:
    require_sibling(Trained(), Trained(sha256="b", seed=2, core="gru"))


def test_other_settings_are_listed() -> None:
    message = refusal(Trained("other", "b", steps=200, hidden=[64]))
    assert message.startswith("--sibling other: it was not trained as mine was: ")
    assert "steps is 200, not 100; hidden is [64], not [32]." in message
    many = refusal(Trained("other", "b", steps=200, hidden=[64], gamma=0.5, envs=8))
    assert "gamma is 0.5, not 0.9; 1 more." in many and "envs" not in many


def test_the_policy_itself_is_none() -> None:
    assert "it is the policy that is audited" in refusal(Trained())


def test_a_policy_of_another_kind_is_none() -> None:
    assert "kind is scripted, not checkpoint" in refusal(load_policy("expert"))


def test_the_audit_refuses_it_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "audit"
    arguments = ["audit", "ippo_long", "--sibling", "ippo_tuned", "-o", str(out)]
    assert main(arguments) == 2
    assert "--sibling ippo_tuned: it was not trained as ippo_long was" in capsys.readouterr().err
    assert not out.exists()
