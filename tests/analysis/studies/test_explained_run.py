"""What is kept of a run: counted from real play, written, read, refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.analysis.studies.explained_run import (
    ALLOWED,
    EXPLAIN,
    MASKED,
    Conduct,
    ExplainedRun,
    explain_run,
    read_explained,
    write_explained,
)
from cagexplain.cc4.actions import KIND_NAMES, ActionKind
from cagexplain.cc4.red_fsm import STATE_NAMES
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import sha256_file
from cagexplain.envs import EnvParams
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, seed_range
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace
from tests.support.fabricated import MILD_THEN_HARD, conduct, explained
from tests.trainers.studies.conftest import ROOT
from trainers.studies import keeping

TUNED = ROOT / "cagexplain" / "data" / "ippo_tuned.pt"
PARAMS = EnvParams(steps=40)


@pytest.fixture(scope="module")
def found() -> ExplainedRun:
    return explain_run(TUNED, 3, PARAMS)


@pytest.mark.parametrize("condition", [MASKED, ALLOWED])
def test_counts_are_those_of_a_trace(found: ExplainedRun, condition: str, tmp_path: Path) -> None:
    policy = load_policy(str(TUNED), mask_sleep=condition == MASKED)
    Recording(tmp_path / "t", policy, seed_range(EVALUATION_SEED, 3), PARAMS).run()
    trace = open_trace(tmp_path / "t")
    blue = trace.table("blue")
    decided = blue[blue["started"]]
    done = found.conditions[condition]

    counted = np.zeros((3, len(STATE_NAMES), len(KIND_NAMES)), np.int64)
    place = (decided["episode"], decided["zone_state"].cat.codes, decided["action_type"].cat.codes)
    np.add.at(counted, place, 1)
    np.testing.assert_array_equal(done.decisions("situational"), counted)
    np.testing.assert_array_equal(done.decisions_of_agents("situational").sum(0), counted.sum(0))

    counted[:] = 0
    aimed = decided[decided["target_host"].notna()]
    place = (aimed["episode"], aimed["target_state"].cat.codes, aimed["action_type"].cat.codes)
    np.add.at(counted, place, 1)
    np.testing.assert_array_equal(done.decisions("targeted"), counted)
    by_agent = np.zeros((5, *counted.shape[1:]), np.int64)
    np.add.at(by_agent, (aimed["agent"].cat.codes, *place[1:]), 1)
    np.testing.assert_array_equal(done.decisions_of_agents("targeted"), by_agent)

    steps = trace.table("steps")
    returns = steps["reward"].where(steps["counted"], 0.0).groupby(steps["episode"]).sum()
    np.testing.assert_allclose(done.returns, returns, rtol=1e-5)


def test_masked_is_masked(found: ExplainedRun) -> None:
    rests = {
        name: int(done.decisions("situational")[..., ActionKind.SLEEP].sum())
        for name, done in found.conditions.items()
    }
    assert rests[MASKED] == 0 < rests[ALLOWED]


def test_it_says_what_was_played(found: ExplainedRun) -> None:
    assert (found.first_seed, found.episodes) == (EVALUATION_SEED, 3)
    assert found.checkpoint == sha256_file(TUNED)
    names = [table.name for table in found.conditions[MASKED].tables]
    assert {"after red", "by alerts", "before blue"} <= set(names)


def test_round_trip(found: ExplainedRun, tmp_path: Path) -> None:
    write_explained(tmp_path, found)
    assert read_explained(tmp_path) == found
    assert (tmp_path / EXPLAIN).stat().st_size < 200_000


def test_a_run_without_the_file_is_not_explained(tmp_path: Path) -> None:
    assert read_explained(tmp_path) is None


def test_the_file_has_one_name() -> None:
    """Trainers may not load analyses, so that the name stands in both."""
    assert keeping.EXPLAIN == EXPLAIN


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema_version=2), "schema_version"),
        (lambda d: d.update(checkpoint="1234"), "checkpoint"),
        (lambda d: d.update(episodes=1), "episodes"),
        (lambda d: d.update(episodes=11), "conditions.sleep masked"),
        (lambda d: d["conditions"].pop(ALLOWED), "conditions: has no 'sleep allowed'"),
        (lambda d: d["conditions"].update(drunk=d["conditions"][MASKED]), "conditions"),
        (lambda d: d["conditions"][MASKED]["returns"].pop(), "conditions.sleep masked"),
        (lambda d: _targeted(d)["RD"]["Restore"].pop(), "conditions.sleep masked"),
        (lambda d: _targeted(d)["RD"]["Restore"].__setitem__(0, -1), "by_episode"),
        (lambda d: _targeted(d).update(X={}), "by_episode"),
        (lambda d: _targeted(d)["RD"].update(Pray=[0] * 10), "by_episode"),
        (lambda d: d["conditions"][MASKED]["reactions"].update(consistency="much"), "consistency"),
        (lambda d: d["conditions"][MASKED].pop("tables"), "conditions"),
    ],
)
def test_damaged_files_are_refused_with_the_field(
    tmp_path: Path, change: Change, said: str
) -> None:
    write_explained(tmp_path, explained(conduct(MILD_THEN_HARD)))
    file = tmp_path / EXPLAIN
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(CagexplainError) as caught:
        read_explained(tmp_path)
    assert str(file) in str(caught.value) and said in str(caught.value)
    assert "Remove the file and call `cagexplain study explain` again" in str(caught.value)


def _targeted(content: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = content["conditions"][MASKED]["by_episode"]["targeted"]
    return inner


def test_other_weights_beside_it_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ckpt.pt").write_bytes(b"weights")
    run = explained(conduct(MILD_THEN_HARD))
    write_explained(tmp_path, run)
    with pytest.raises(CagexplainError, match=r"checkpoint: is not that of ckpt\.pt"):
        read_explained(tmp_path)
    right = replace(run, checkpoint=sha256_file(tmp_path / "ckpt.pt"))
    write_explained(tmp_path, right)
    assert read_explained(tmp_path) == right


def test_what_never_occurred_is_zero() -> None:
    done: Conduct = conduct({"RD": {"Analyse": 1.0}})
    decisions = done.decisions("targeted")
    assert decisions.shape == (10, len(STATE_NAMES), len(KIND_NAMES))
    assert decisions.sum() == 1000
    assert (decisions[:, STATE_NAMES.index("RD"), ActionKind.ANALYSE] == 100).all()
    assert done.decisions("situational").sum() == 0
