"""What can be named as code of others, and what is said of what cannot."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.cli.main import main
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.external import keeper
from cagexplain.policies.external.forms import GROUP, Opening, registered
from cagexplain.policies.external.policy import ExternalFailure
from cagexplain.policies.registry import load_policy, reload_policy
from tests.support.fake_env import FakeEnv

TRUSTED = Opening(trust=True)
CODE = """
import numpy as np
from cagexplain.cc4 import actions
from cagexplain.policies.base import Decision, done

NUMBER = 3


def choose(agent, observation, mask):
    return 2


class Whole:
    name = "whole"

    def reset(self, seeds):
        pass

    def act(self, obs, mask, free, instead=None):
        return Decision(done(np.full((len(obs), 5), 2), instead))

    def branch(self, rows, seeds=None):
        return self


class Team:
    class Inner:
        def __call__(self, agent, observation, mask):
            return 2

    ready = Inner()
    policy = Whole()


def make():
    return Whole()


def needs_one(argument):
    return Whole()


def makes_nothing():
    return None
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with the code as a file and in a package."""
    folder = tmp_path / "here"
    (folder / "squad").mkdir(parents=True)
    for file in ("agent.py", "squad/blue.py"):
        (folder / file).write_text(CODE)
    (folder / "squad" / "__init__.py").touch()
    monkeypatch.chdir(folder)
    return folder


def played(spec: str) -> tuple[Policy, np.ndarray]:
    """A policy, and its actions in the only step of an episode."""
    policy = load_policy(spec, opening=TRUSTED)
    env = FakeEnv(2, params=EnvParams(steps=3))
    env.reset(np.arange(2))
    policy.reset(np.arange(2))
    return policy, policy.act(env.obs, env.mask, env.free).actions


@pytest.mark.parametrize(
    ("name", "known_as"),
    [
        ("choose", "choose"),
        ("Whole", "whole"),
        ("make", "whole"),
        ("Team.Inner", "Team.Inner"),
        ("Team.ready", "Team.ready"),
        ("Team.policy", "whole"),
    ],
)
def test_functions_classes_factories_and_objects_of_a_file(
    place: Path, name: str, known_as: str
) -> None:
    policy, chosen = played(f"agent.py:{name}")
    np.testing.assert_array_equal(chosen, np.full((2, 5), 2))
    facts = policy.describe()
    assert (policy.kind, policy.name) == ("external", known_as)
    assert (facts["path"], facts["entry"], facts["form"]) == ("agent.py", name, "object")


def test_modules_of_the_present_folder_and_of_the_path(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, chosen = played("squad.blue:choose")
    np.testing.assert_array_equal(chosen, np.full((2, 5), 2))
    monkeypatch.chdir(place.parent)
    with pytest.raises(CagexplainError, match="there is no module 'squad'"):
        load_policy("squad.blue:choose", opening=TRUSTED)
    monkeypatch.syspath_prepend(str(place))
    there, chosen = played("squad.blue:choose")
    np.testing.assert_array_equal(chosen, np.full((2, 5), 2))
    assert there.describe() == here.describe()
    assert "squad" not in sys.modules


def test_a_changed_module_is_another_policy(place: Path) -> None:
    facts = load_policy("squad.blue:choose", opening=TRUSTED).describe()
    assert reload_policy(facts, opening=TRUSTED).describe() == facts
    (place / "squad" / "blue.py").write_text(CODE + "\n")
    with pytest.raises(CagexplainError, match="SHA-256 differ"):
        reload_policy(facts, opening=TRUSTED)


def test_a_file_that_has_moved_is_known_by_its_digest(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = load_policy("agent.py:choose", opening=TRUSTED).describe()
    moved = Path(shutil.move(place, place.parent / "elsewhere")) / "agent.py"
    monkeypatch.chdir(place.parent)
    with pytest.raises(CagexplainError, match="no such file"):
        reload_policy(facts, opening=TRUSTED)
    Path("agent.py").write_text(CODE + "\n")  # another one, where it was
    for how in ({"path": moved}, {"places": [moved]}):
        again = reload_policy(facts, **how, opening=TRUSTED).describe()
        assert again["sha256"] == facts["sha256"]
    for how in ({}, {"path": Path("agent.py")}, {"places": [Path("agent.py")]}):
        with pytest.raises(CagexplainError, match="SHA-256 differ"):
            reload_policy(facts, **how, opening=TRUSTED)


def test_what_is_no_code_of_others_any_more_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "submission.py").write_text("class Submission:\n    AGENTS = {}")
    facts = {"kind": "external", "path": str(tmp_path), "entry": "", "sha256": "0"}
    with pytest.raises(CagexplainError, match="SHA-256 differ"):
        reload_policy(facts, opening=TRUSTED)
    (tmp_path / "submission.py").unlink()
    for path in (None, "sleep"):
        with pytest.raises(CagexplainError, match="not here"):
            reload_policy(facts, path, opening=TRUSTED)


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ("absent.py:choose", CagexplainError, "there is no such file"),
        ("absent:choose", CagexplainError, "there is no module 'absent'"),
        ("agent.py", UsageError, r"which function or class.*agent\.py:NAME"),
        ("agent.py:absent", ExternalFailure, "it defines no 'absent'"),
        ("agent.py:Team.absent", ExternalFailure, r"it defines no 'Team\.absent'"),
        ("agent.py:NUMBER", ExternalFailure, "NUMBER gives neither a policy.*nor a function"),
        ("agent.py:makes_nothing", ExternalFailure, "makes_nothing gives neither a policy"),
        ("agent.py:needs_one", ExternalFailure, "needs_one takes neither nothing.*nor an agent"),
        ("squad.absent:choose", ExternalFailure, r"No module named 'squad\.absent'"),
    ],
)
def test_what_names_no_policy(place: Path, spec: str, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        load_policy(spec, opening=TRUSTED)


@pytest.mark.parametrize("spec", ["agent.py:choose", "squad.blue:choose"])
def test_nothing_is_imported_without_trust(place: Path, spec: str) -> None:
    for file in ("agent.py", "squad/blue.py"):
        (place / file).write_text(f"open({str(place / 'ran')!r}, 'w')")
    with pytest.raises(UsageError, match=r"code of others.*no sandbox.*--trust-code"):
        load_policy(spec)
    assert not (place / "ran").exists()
    assert main(["evaluate", spec, "--episodes", "1"]) == 2


@pytest.fixture
def package(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that registers policies."""
    site = place.parent / "site"
    facts = site / "blue_team-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "blue_team.py").write_text(CODE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: blue-team\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        f"[{GROUP}]\nour-agent = blue_team:choose\nbroken = blue_team\nsleep = blue_team:make\n"
    )
    monkeypatch.syspath_prepend(str(site))
    return site


def test_registered_policies_are_listed_and_nothing_is_imported(
    package: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (package / "blue_team.py").write_text("raise SystemExit")
    assert main(["policies"]) == 0
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["our-agent", "blue_team:choose, of a package; needs --trust-code"] in [
        [part.strip() for part in line] for line in lines
    ]
    assert [line[0] for line in lines].count("sleep") == 1
    assert "blue_team" not in sys.modules
    with pytest.raises(UsageError, match="add --trust-code"):
        load_policy("our-agent")


def test_a_registered_policy_plays_and_is_found_again(package: Path) -> None:
    policy, chosen = played("our-agent")
    np.testing.assert_array_equal(chosen, np.full((2, 5), 2))
    facts = policy.describe()
    assert facts["entry"] == "blue_team:choose"
    assert reload_policy(facts, opening=TRUSTED).describe() == facts
    assert "blue_team" not in sys.modules


def test_names_of_ours_win_and_misspelt_ones_are_recognised(package: Path) -> None:
    assert registered()["sleep"] == "blue_team:make"
    assert load_policy("sleep").kind == "scripted"
    with pytest.raises(UsageError, match="Did you mean 'our-agent'"):
        load_policy("our-agnet")
    with pytest.raises(CagexplainError, match="'blue_team', which names nothing in a module"):
        load_policy("broken", opening=TRUSTED)


def test_a_folder_that_is_nothing_is_told_what_it_may_be(tmp_path: Path) -> None:
    with pytest.raises(
        CagexplainError, match=r"submission\.py.*agents\.yaml.*RLlib.*ckpt\.pt"
    ) as told:
        load_policy(str(tmp_path))
    assert str(tmp_path) in str(told.value)


def test_a_fork_bomb_is_noticed_by_the_number_of_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sleeping = [subprocess.Popen(["sleep", "60"]) for _ in range(3)]
    try:
        assert not keeper._too_many()
        monkeypatch.setattr(keeper, "MOST_PROCESSES", len(keeper._descendants()) - 1)
        assert keeper._too_many()
    finally:
        for process in sleeping:
            process.kill()
            process.wait()


def test_the_last_action_of_every_agent_is_one(place: Path) -> None:
    (place / "agent.py").write_text("def last(agent, seen, mask):\n    return len(mask) - 1\n")
    _, chosen = played("agent.py:last")
    np.testing.assert_array_equal(chosen, np.tile(np.array(actions.SIZES) - 1, (2, 1)))
