"""Exported folders play as the policies do here, with nothing but NumPy and PyTorch."""

import ast
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.export import checking, official, sources, submission
from cagexplain.export.packing import pack
from cagexplain.export.team import Team
from cagexplain.policies.base import Policy
from cagexplain.policies.registry import SHIPPED, load_policy
from cagexplain.policies.scripted.builtin import BUILTIN
from cagexplain.policies.wrappers.mask_sleep import MaskSleep
from cagexplain.policies.wrappers.terse import Terse
from tests.support import exported
from tests.support.cyborg import require_cyborg

OFFICIAL_PYTHON = (3, 10)
"""The oldest Python that CybORG's documentation recommends."""
NEWER = {
    "typing": {"Self", "Never", "LiteralString", "assert_never", "Required", "NotRequired"}
    | {"Unpack", "TypeVarTuple", "override", "TypeAliasType", "ReadOnly", "TypeIs"},
    "enum": {"StrEnum", "verify", "member", "nonmember", "EnumCheck"},
    "hashlib": {"file_digest"},
    "itertools": {"batched"},
    "datetime": {"UTC"},
    "contextlib": {"chdir"},
}
"""What later ones have brought to the modules that our code uses."""


def accept(folder: Path) -> None:
    """No check."""


def write_all(folder: Path, policies: dict[str, Policy]) -> list[Path]:
    for name, policy in policies.items():
        submission.write(folder / name, policy, accept)
    return [folder / name for name in policies]


def hold(folder: Path, policies: dict[str, Policy]) -> None:
    """Compare all of them in one fresh interpreter."""
    recordings = [checking.record(policy) for policy in policies.values()]
    assert all(len(recording.actions) >= 200 for recording in recordings)
    checking.compare(write_all(folder, policies), recordings)


def test_a_rule_a_tree_and_a_network(tmp_path: Path) -> None:
    hold(
        tmp_path,
        {
            "expert": load_policy("expert"),
            "tree": exported.tree(message_kind="8bit"),
            "network": exported.network("scores", "memory", "gru", messages="action"),
        },
    )


def test_a_rule_a_tree_and_a_network_that_read_raw_observations(tmp_path: Path) -> None:
    hold(
        tmp_path,
        {
            "champion": load_policy("champion"),
            "tree": exported.tree("is a source of attacks"),
            "network": exported.network("hosts", "raw"),
        },
    )


def test_the_comparison_sees_a_lost_raw_observation(tmp_path: Path) -> None:
    (folder,) = write_all(tmp_path, {"a": load_policy("champion")})
    recording = checking.record(load_policy("champion"))
    for step in recording.raw[0][1:]:
        for observation in step:
            kept = {k: v for k, v in observation.items() if k in ("success", "action", "message")}
            observation.clear()
            observation.update(kept)
    with pytest.raises(CagexplainError, match="differs in actions"):
        checking.compare([folder], [recording])


@pytest.mark.slow
def test_all_rules_trees_and_wrapped_policies(tmp_path: Path) -> None:
    policies: dict[str, Policy] = {name: load_policy(name) for name in BUILTIN}
    policies["tree-sampled"] = exported.tree()
    policies["tree-greedy"] = exported.tree(deterministic=True, message_kind="2bit")
    policies["masked-punch"] = MaskSleep(load_policy("punch"))
    policies["masked-tree"] = MaskSleep(exported.tree())
    hold(tmp_path, policies)


@pytest.mark.slow
def test_networks_of_all_forms(tmp_path: Path) -> None:
    hold(tmp_path, dict(exported.networks_of_all_forms()))


@pytest.mark.slow
def test_checkpoints_of_all_methods(tmp_path: Path) -> None:
    policies: dict[str, Policy] = dict(exported.checkpoints_of_all_methods())
    policies |= {name: load_policy(name) for name in SHIPPED}
    policies["masked"] = MaskSleep(load_policy("ippo_tuned", deterministic=True))
    hold(tmp_path, policies)


def test_the_comparison_sees_another_policy(tmp_path: Path) -> None:
    (folder,) = write_all(tmp_path, {"a": exported.network(acting="greedy")})
    other = checking.record(exported.network(acting="greedy", hidden=[13]))
    with pytest.raises(CagexplainError, match="differs in actions: first blue_agent"):
        checking.compare([folder], [other])


def test_the_comparison_sees_other_messages(tmp_path: Path) -> None:
    (folder,) = write_all(tmp_path, {"a": exported.tree()})
    talking = checking.record(exported.tree(message_kind="action"))
    with pytest.raises(CagexplainError, match="differs in messages"):
        checking.compare([folder], [talking])


@pytest.mark.parametrize("package", ["cagexplain", "numba", "msgspec"])
def test_a_folder_that_needs_more_is_refused(tmp_path: Path, package: str) -> None:
    (folder,) = write_all(tmp_path, {"a": load_policy("sleep")})
    (folder / "submission.py").write_text(f"import {package}\n")
    with pytest.raises(CagexplainError, match=f"an exported policy imports {package}"):
        checking.compare([folder], [checking.record(load_policy("sleep"))])


POLICIES = {
    "rule": (lambda: load_policy("expert"), {"numpy"}),
    "tree": (exported.tree, {"numpy"}),
    "network": (exported.network, {"numpy", "torch"}),
}


@pytest.mark.parametrize("kind", POLICIES)
def test_what_a_folder_imports(kind: str) -> None:
    make, packages = POLICIES[kind]
    code = sources.closure(["cagexplain.export.team", *pack(make()).modules])
    assert sources.foreign(code) == packages
    used = {name.split(".")[1] for name in code if "." in name}
    assert used <= {"cc4", "common", "export", "policies"}
    assert not {"cagexplain.common.files", "cagexplain.policies.checkpoint"} & set(code)


@pytest.mark.parametrize("kind", POLICIES)
def test_the_sources_fit_the_official_python(kind: str) -> None:
    policy = POLICIES[kind][0]()
    for path, content in submission.contents(policy.name, pack(policy)).items():
        if not path.endswith(".py"):
            continue
        assert isinstance(content, str)
        for statement in sources.imports(ast.parse(content, feature_version=OFFICIAL_PYTHON)):
            if isinstance(statement, ast.ImportFrom):
                newer = NEWER.get(statement.module or "", set())
                assert not newer & {alias.name for alias in statement.names}, path
                assert not (statement.module or "").startswith("cagexplain"), path


def test_the_same_policy_gives_the_same_bytes() -> None:
    first, second = (
        submission.contents("x", pack(exported.network("hosts", "memory"))) for _ in range(2)
    )
    assert first == second


def test_nothing_is_pickled() -> None:
    files = submission.contents("x", pack(exported.network()))
    archive = files["blue_policy/weights.npz"]
    assert isinstance(archive, bytes)
    assert b"pickle" not in archive
    loads = [text for text in files.values() if isinstance(text, str) and "np.load(" in text]
    assert loads and all("allow_pickle=False" in text for text in loads)


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "submission") -> Any:
    """The class of a folder, imported here."""
    for module in [m for m in sys.modules if m.split(".")[0] in ("submission", "blue_policy")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(str(folder))
    return __import__(name, fromlist=["Submission"]).Submission


def test_names_of_others_stay_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nasty = "x\"\"\"\nraise SystemExit\n''' \\ \u202e"
    write_all(tmp_path, {"a": exported.tree(name=nasty)})
    loaded = load(tmp_path / "a", monkeypatch)
    assert nasty == loaded.NAME
    assert list(loaded.AGENTS) == list(BLUE)


def test_a_zip_can_be_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder,) = write_all(tmp_path, {"a": exported.network()})
    place = tmp_path / "packed.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, Path("submission") / file.relative_to(folder))
    shutil.rmtree(folder)
    loaded = load(place, monkeypatch, "submission.submission")
    assert loaded.NAME == "ippo"


def test_an_agent_needs_the_wrapper() -> None:
    with pytest.raises(RuntimeError, match=r"Submission\.wrap"):
        Team(load_policy("sleep")).agents["blue_agent_0"].get_action()


def test_seeds_of_episodes() -> None:
    """Those of `reset`, else 0, 1, ..."""
    asked: list[int] = []

    class Asked(MaskSleep):
        def reset(self, seeds: Any) -> None:
            asked.extend(seeds)

    team = Team(Asked(load_policy("punch")))
    team.begin()
    team.begin()
    team.begin(77)
    team.begin()
    assert asked == [0, 1, 77, 3]


def test_what_cannot_be_exported() -> None:
    with pytest.raises(UsageError, match="a tool of audits"):
        pack(Terse(load_policy("expert")))
    policy = load_policy("expert")
    policy.name = "mine"
    with pytest.raises(UsageError, match="its rule is not one of the built-in ones"):
        pack(policy)


def test_a_failed_check_leaves_nothing(tmp_path: Path) -> None:
    def refuse(folder: Path) -> None:
        assert (folder / "submission.py").is_file()
        raise CagexplainError("no", remedy="none")

    with pytest.raises(CagexplainError):
        submission.write(tmp_path / "a", load_policy("sleep"), refuse)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_is_not_in_the_way_of_the_next(tmp_path: Path) -> None:
    target = tmp_path / "exports" / "mine"
    lines = (
        "import os, signal, sys",
        "from cagexplain.export.submission import new_folder",
        "with new_folder(sys.argv[1]) as place:",
        "    (place / 'submission.py').write_text('')",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    killed = subprocess.run([sys.executable, "-c", "\n".join(lines), target], check=False)
    assert killed.returncode == -signal.SIGKILL
    (leftover,) = target.parent.iterdir()
    assert leftover.name.startswith(".")
    with submission.new_folder(target) as place:
        (place / "submission.py").write_text("whole")
        assert not target.exists()
    assert (target / "submission.py").read_text() == "whole"


def test_an_occupied_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(CagexplainError, match="not empty"):
        submission.write(tmp_path, load_policy("sleep"), accept)
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["expert", "champion", "ippo_long", "tree"])
def test_the_official_evaluation_gives_the_engines_numbers(name: str, tmp_path: Path) -> None:
    """The script of CybORG, unmodified, for rules, a network that samples and a talking tree."""
    path = require_cyborg()
    policy = exported.tree(message_kind="8bit") if name == "tree" else load_policy(name)
    (folder,) = write_all(tmp_path, {name: policy})
    score = official.check(folder, policy, path)
    assert np.isfinite([score.mean, score.stdev]).all() and score.mean < 0


@pytest.mark.slow
def test_the_official_evaluation_sees_another_policy(tmp_path: Path) -> None:
    path = require_cyborg()
    (folder,) = write_all(tmp_path, {"a": load_policy("sleep")})
    with pytest.raises(CagexplainError, match="the official evaluation gives"):
        official.check(folder, load_policy("expert"), path)
