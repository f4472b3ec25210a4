"""Exported policies come back as submissions and networks of others, and play as before."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cagexplain.common.errors import CagexplainError
from cagexplain.envs import EnvParams
from cagexplain.export import graphs, submission
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import evaluate, evaluate_official
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.registry import load_policy
from cagexplain.policies.wrappers.mask_sleep import MaskSleep
from tests.support import exported
from tests.support.cyborg import require_cyborg

PARAMS = EnvParams(steps=40)
SEEDS = np.array([0, 5])

GREEDY: dict[str, Callable[[], Policy]] = {
    "rule": lambda: load_policy("expert"),
    "tree": lambda: exported.tree(deterministic=True, message_kind="8bit"),
    "network": lambda: exported.network("scores", "memory", "gru", acting="greedy"),
    "shipped": lambda: MaskSleep(load_policy("ippo_tuned", deterministic=True)),
}
READING: dict[str, Callable[[], Policy]] = {
    "reading rule": lambda: load_policy("champion"),
    "reading network": lambda: exported.network("hosts", "raw", acting="greedy"),
}
"""Stand-ins have no raw observations, so these need CybORG's own."""


def back(place: Path, policy: Policy, cyborg: Path | None = None) -> Policy:
    """Exported, and loaded as a submission of anybody."""
    submission.write(place / "team", policy, lambda _: None)
    return load_policy(str(place / "team"), opening=Opening(trust=True, cyborg_path=cyborg))


def hold(ours: Policy, theirs: Policy) -> None:
    """Compare what both lose, and what their actions cost."""
    expected, got = (evaluate(policy, SEEDS, PARAMS) for policy in (ours, theirs))
    np.testing.assert_array_equal(got.penalties, expected.penalties)
    np.testing.assert_array_equal(got.costs, expected.costs)


@pytest.mark.parametrize(
    "name",
    [name if name == "rule" else pytest.param(name, marks=pytest.mark.slow) for name in GREEDY],
)
@pytest.mark.usefixtures("without_cyborg")
def test_a_folder_plays_on_stand_ins_as_its_policy(name: str, tmp_path: Path) -> None:
    policy = GREEDY[name]()
    hold(policy, back(tmp_path, policy))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*GREEDY, *READING])
def test_a_folder_plays_with_cyborgs_wrappers_as_its_policy(name: str, tmp_path: Path) -> None:
    path = require_cyborg()
    policy = (GREEDY | READING)[name]()
    hold(policy, back(tmp_path, policy, path))


@pytest.mark.usefixtures("without_cyborg")
def test_a_folder_that_reads_raw_observations_asks_for_cyborg(tmp_path: Path) -> None:
    theirs = back(tmp_path, load_policy("champion"))
    with pytest.raises(CagexplainError, match="--cyborg-path"):
        evaluate(theirs, SEEDS, PARAMS)


@pytest.mark.usefixtures("without_cyborg")
def test_one_that_samples_takes_the_seeds_of_the_official_script(tmp_path: Path) -> None:
    """0, 1, ...: those of the protocol with seed 0. Elsewhere each episode begins with 0."""
    policy = exported.network()
    theirs = back(tmp_path, policy)
    expected = evaluate_official(policy, 0, 2, PARAMS)
    np.testing.assert_array_equal(evaluate_official(theirs, 0, 2, PARAMS).costs, expected.costs)


@pytest.mark.parametrize("acting", ["greedy", "sampled"])
@pytest.mark.parametrize("core", ["none", "gru"])
def test_an_onnx_file_of_official_vectors_needs_no_descriptor(
    core: str, acting: str, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    policy = exported.network("mlp", core=core, acting=acting)
    graphs.write_onnx(tmp_path / "net.onnx", policy)
    theirs = load_policy(str(tmp_path / "net.onnx"), deterministic=policy.deterministic)
    hold(policy, theirs)


def test_an_onnx_file_of_networks_that_remember_says_what_it_lacks(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    graphs.write_onnx(tmp_path / "net.onnx", exported.network("mlp", "memory"))
    with pytest.raises(CagexplainError, match=r"what the agents remember.*--submission"):
        load_policy(str(tmp_path / "net.onnx"))
