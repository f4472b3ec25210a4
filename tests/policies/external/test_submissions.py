"""Official submissions: as the official evaluation plays them, and the same whatever is beside."""

import pickle
import shutil

import numpy as np
import pytest

from cagexplain.common.errors import UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.external.policy import ExternalFailure
from cagexplain.policies.registry import load_policy, reload_policy

PARAMS = EnvParams(steps=8)
TRUSTED = Opening(trust=True)
SUBMISSION = """
import numpy as np
from CybORG.Agents import BaseAgent
from CybORG.Agents.Wrappers import EnterpriseMAE

class Chance(BaseAgent):
    def get_action(self, observation, action_space):
        from CybORG.Simulator.Actions import Sleep  # as late as this
        return int(np.random.randint(action_space.n))

class Submission:
    NAME, TEAM, TECHNIQUE = "Chance", "us", "none"
    AGENTS = {f"blue_agent_{i}": Chance(f"blue_agent_{i}") for i in range(5)}

    def wrap(env):
        return EnterpriseMAE(env)
"""


@pytest.fixture
def folder(tmp_path, without_cyborg):
    """Of a submission."""
    place = tmp_path / "code"
    place.mkdir()
    (place / "submission.py").write_text(SUBMISSION)
    return place


def test_a_submission_plays_alike_in_any_batch_and_from_a_zip(folder):
    policy = load_policy(str(folder), opening=TRUSTED)
    seeds = np.arange(3)
    returns = evaluate(policy, seeds, PARAMS).returns
    np.testing.assert_array_equal(evaluate(policy, seeds, PARAMS, batch=2).returns, returns)
    archive = shutil.make_archive(str(folder.parent / "packed"), "zip", folder)
    packed = load_policy(archive, opening=TRUSTED)
    np.testing.assert_array_equal(evaluate(packed, seeds, PARAMS).returns, returns)
    assert packed.describe()["sha256"] == policy.describe()["sha256"]
    assert policy.describe()["team"] == "us"
    assert policy.describe()["cyborg"] == "stand-in"


def test_a_policy_sent_to_another_process_of_ours_plays_alike(folder):
    policy = load_policy(str(folder), opening=TRUSTED)
    expected = evaluate(policy, np.arange(1), PARAMS).returns
    sent = pickle.loads(pickle.dumps(policy))
    np.testing.assert_array_equal(evaluate(sent, np.arange(1), PARAMS).returns, expected)


def test_nothing_runs_without_trust(folder):
    (folder / "submission.py").write_text("raise SystemExit")
    with pytest.raises(UsageError, match=r"no sandbox.*add --trust-code"):
        load_policy(str(folder))


def test_another_submission_of_the_same_name_is_noticed(folder):
    facts = load_policy(str(folder), opening=TRUSTED).describe()
    assert reload_policy(facts, opening=TRUSTED).describe() == facts
    (folder / "more.txt").write_text("changed")
    with pytest.raises(Exception, match="SHA-256 differ"):
        reload_policy(facts, opening=TRUSTED)


@pytest.mark.parametrize(
    "old, new, said",
    [
        ('blue_agent_{i}": Ch', 'blue_agent_{i}_master": Ch', "has an evaluation of its own"),
        ("range(5)", "range(3)", "its AGENTS lack blue_agent_3, blue_agent_4"),
        ("class Submission", "class Other", "no class Submission"),
    ],
)
def test_what_the_official_evaluation_could_not_play_is_refused(folder, old, new, said):
    (folder / "submission.py").write_text(SUBMISSION.replace(old, new))
    with pytest.raises(ExternalFailure, match=said):
        load_policy(str(folder), opening=TRUSTED)
