import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import cagexplain
from cagexplain.cc4 import actions
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.registry import SHIPPED, builtin_policies, load_policy, source_of
from tests.support.fake_env import FakeEnv

RESTING = {agent: {actions.SLEEP_INDEX[agent], actions.MONITOR_INDEX[agent]} for agent in range(5)}


@pytest.mark.parametrize("name", sorted(set(builtin_policies()) - set(SHIPPED)))
def test_builtin_policies_describe_themselves(name: str) -> None:
    policy = load_policy(name)
    facts = json.loads(json.dumps(policy.describe()))
    assert (policy.name, policy.kind) == (name, "scripted")
    assert facts == {"kind": "scripted", "name": name, "rule": builtin_policies()[name]}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_policies_load_by_name(name: str) -> None:
    policy = load_policy(name, deterministic=True)
    policy.reset(np.arange(2))
    env = FakeEnv(2, params=SimpleNamespace(steps=3))
    env.reset(np.arange(2))
    assert policy.kind == ("tree" if name == "champion_tree" else "checkpoint")
    assert policy.describe()["path"] == name  # not where the package happens to lie
    assert policy.act(env.obs, env.mask, env.free).actions.shape == (2, 5)
    assert name in builtin_policies()


def test_a_misspelt_name_is_recognised() -> None:
    with pytest.raises(UsageError, match="Did you mean 'restore_cycle'"):
        load_policy("restore_cicle")


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match=r"folder.*ckpt\.pt"):
        load_policy(str(tmp_path))


def test_a_path_goes_to_the_checkpoint_loader(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match=r"missing\.pt"):
        load_policy(str(tmp_path / "missing.pt"))


@pytest.mark.parametrize("name", ["sleep", "monitor", "block_all_then_sleep", "comms_block"])
def test_sleep_cannot_be_masked_where_it_is_the_rule(name: str) -> None:
    with pytest.raises(UsageError, match="rest"):
        load_policy(name, mask_sleep=True)


@pytest.mark.parametrize("name", ["random", "restore_cycle", "reactive", "punch"])
def test_with_sleep_masked_no_free_agent_rests(name: str) -> None:
    env = FakeEnv(8, params=SimpleNamespace(steps=100))
    seeds = np.arange(8)
    policy = load_policy(name, mask_sleep=True)
    env.reset(seeds)
    policy.reset(seeds)
    before = env.mask.copy()
    for _ in range(99):
        chosen = policy.act(env.obs, env.mask, env.free).actions
        for agent in range(5):
            assert not np.isin(chosen[env.free[:, agent], agent], list(RESTING[agent])).any()
        env.step(chosen)
    np.testing.assert_array_equal(env.mask, before)
    assert policy.describe()["mask_sleep"] is True


def test_random_rests_if_nobody_masks_it() -> None:
    env = FakeEnv(8, params=SimpleNamespace(steps=100))
    policy = load_policy("random")
    env.reset(np.arange(8))
    policy.reset(np.arange(8))
    rests = 0
    for _ in range(99):
        chosen = policy.act(env.obs, env.mask, env.free).actions
        rests += sum(np.isin(chosen[:, agent], list(RESTING[agent])).sum() for agent in range(5))
        env.step(chosen)
    assert rests > 0


@pytest.mark.parametrize("name", sorted(builtin_policies()))
def test_the_source_of_a_builtin_policy_is_there(name: str) -> None:
    source = source_of({"name": name} | ({"path": name} if name in SHIPPED else {}))
    assert source is not None and (Path(cagexplain.__file__).parents[1] / source).is_file()


def test_other_policies_have_no_source() -> None:
    for facts in ({"name": "mine"}, {"name": "sleep", "path": "sleep.pt"}, {"path": ["x"]}):
        assert source_of(facts) is None


def test_a_zip_file_that_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "team.zip").write_bytes(b"PK")
    with pytest.raises(CagexplainError, match=r"team\.zip: this file is no policy"):
        load_policy(str(tmp_path / "team.zip"))
