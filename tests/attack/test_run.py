"""An attack from beginning to end: what it finds, and that it goes on where it was interrupted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.attack import progress, results
from cagexplain.attack.plan import Plan
from cagexplain.attack.progress import Progress
from cagexplain.attack.results import AttackResult
from cagexplain.attack.run import TABLE, Attack, Settings
from cagexplain.attack.search import FIRST_CHOICE_SEED, Search, choice_seeds
from cagexplain.attack.space import Space
from cagexplain.cc4.reds import REDS, load_red
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED
from cagexplain.tracing.trace import open_trace
from tests.support.damage import put

PARAMS = EnvParams(steps=60)
DEFAULT = Settings()
SMALL = Plan(
    portfolio=4, generations=3, population=4, episodes=4, choice=4, held_out=12, side=4, ablation=2
)


def begun(folder: Path, settings: Settings = DEFAULT, plan: Plan = SMALL) -> Attack:
    attack = Attack(load_policy("reactive"), PARAMS, settings, folder, workers=2)
    attack.plan(generations=plan.generations)
    assert attack.progress is not None
    attack.progress = replace(attack.progress, plan=plan)
    return attack


def interrupted(folder: Path, after: int) -> Attack:
    """An attack that Ctrl-C stopped after a generation."""

    def tell(text: str) -> None:
        if text.startswith(f"generation {after} "):
            raise KeyboardInterrupt

    attack = begun(folder)
    with pytest.raises(KeyboardInterrupt):
        attack.run(tell=tell)
    return attack


def comparable(result: AttackResult) -> AttackResult:
    return replace(result, created="", search=replace(result.search, seconds=0.0))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AttackResult]:
    folder = tmp_path_factory.mktemp("attacks") / "whole"
    return folder, begun(folder).run()


def test_the_file_is_the_result(whole: tuple[Path, AttackResult]) -> None:
    folder, result = whole
    assert results.read(folder) == result


def test_all_reds_are_judged_on_the_same_held_out_seeds(whole: tuple[Path, AttackResult]) -> None:
    _, result = whole
    assert result.seeds == tuple(range(EVALUATION_SEED, EVALUATION_SEED + 12))
    lengths = {red.key: len(red.policy) for red in result.reds}
    assert lengths.pop("finite_state") == lengths.pop(result.found) == 12
    assert set(lengths.values()) == {4}
    assert {red.role for red in result.reds} == {"standard", "shipped", "portfolio", "searched"}
    assert [len(row.policy) for row in result.ablation] == [2] * len(result.ablation)


def test_returns_are_those_of_evaluate(whole: tuple[Path, AttackResult]) -> None:
    folder, result = whole
    red = load_red(str(folder / TABLE))
    for policy, episodes in (("reactive", result.worst.policy), ("sleep", result.worst.sleep)):
        played = evaluate(load_policy(policy), np.array(result.seeds), replace(PARAMS, red=red))
        assert episodes.returns == tuple(played.returns.tolist())


def test_found_is_worse_than_what_is_shipped(whole: tuple[Path, AttackResult]) -> None:
    _, result = whole
    worst = np.mean(result.worst.policy.returns)
    assert worst < 2 * np.mean(result.worst_of("shipped").policy.returns)


def test_episodes_under_found_are_recorded(whole: tuple[Path, AttackResult]) -> None:
    folder, result = whole
    trace = open_trace(folder / results.TRACE)
    assert tuple(trace.manifest.seeds) == result.seeds[:10]


@pytest.mark.parametrize("after", [1, 3])
def test_an_interrupted_attack_goes_on_to_the_same_result(
    whole: tuple[Path, AttackResult], tmp_path: Path, after: int
) -> None:
    folder = tmp_path / "attack"
    interrupted(folder, after)
    (folder / results.TRACE).mkdir()  # as if it had been recording
    resumed = Attack(load_policy("reactive"), PARAMS, Settings(), folder, resume=True, workers=1)
    assert resumed.progress is not None
    assert len(resumed.progress.values) == after
    resumed.plan(generations=50)  # has no effect any more
    assert comparable(resumed.run()) == comparable(whole[1])


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("attacks") / "stopped"
    interrupted(folder, 1)
    return folder


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (put("kind", "attack"), "kind: is no interrupted attack of this version"),
        (put("schema_version", 0), "schema_version: is no interrupted attack"),
        (put("values", [[1.0]]), "values[0]: has 1 values of 4 candidates"),
        (put("values", [[1.0] * 4] * 4), "values: has more than the 3 generations"),
        (put("plan", "episodes", 0), "plan.episodes: is less than 1"),
        (put("plan", "population", 1), "plan.population: is less than 2"),
        (put("start", None), "start: is missing"),
        (put("start", "source", "here"), "start.source: 'here' is not known"),
        (put("task", "seed", 5), "task.seed: what was interrupted has another seed"),
        (put("task", "policy", {}), "task.policy: what was interrupted has another policy"),
    ],
)
def test_damaged_progress_is_refused(
    stopped: Path, tmp_path: Path, damage: Callable[[dict[str, Any]], None], named: str
) -> None:
    folder = tmp_path / "attack"
    shutil.copytree(stopped, folder)
    content = json.loads((folder / progress.FILE).read_text("utf-8"))
    damage(content)
    (folder / progress.FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(CagexplainError) as refused:
        Attack(load_policy("reactive"), PARAMS, Settings(), folder, resume=True)
    assert named in str(refused.value)


def test_a_finished_attack_is_not_resumed(whole: tuple[Path, AttackResult]) -> None:
    with pytest.raises(UsageError, match="this attack is finished"):
        Attack(load_policy("reactive"), PARAMS, Settings(), whole[0], resume=True)


def test_a_folder_in_use_is_refused(whole: tuple[Path, AttackResult]) -> None:
    with pytest.raises(CagexplainError, match="not empty"):
        Attack(load_policy("reactive"), PARAMS, Settings(), whole[0])


def test_a_start_is_searched_from_whatever_the_portfolio_does(tmp_path: Path) -> None:
    settings = Settings(start=REDS["finite_state"], aim="without-contractor", seed=3)
    plan = replace(SMALL, generations=1)
    result = begun(tmp_path / "attack", settings, plan).run()
    assert result.search.start == "finite_state-held"
    assert result.aim == "without-contractor"


def test_a_budget_is_kept_in_the_plan(tmp_path: Path) -> None:
    attack = Attack(load_policy("sleep"), EnvParams(steps=10), Settings(), tmp_path / "attack")
    attack.plan(budget=30)
    assert isinstance(attack.progress, Progress)
    assert attack.progress.plan.budget == 30
    assert attack.progress.plan.generations >= 1
    behind = attack.steps[1]
    assert behind == 0


def test_a_search_does_not_depend_on_numpys_global_generator() -> None:
    searches = [Search(Space(REDS["greedy"], "fenced"), SMALL, 7) for _ in range(2)]
    drawn = []
    for number, search in enumerate(searches):
        np.random.seed(number)  # noqa: NPY002
        for row in ([1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]):
            search._tell(search._strategy.ask(), row)
        drawn.append(np.array(search._strategy.ask()))
    assert np.array_equal(*drawn)
    other = Search(Space(REDS["greedy"], "fenced"), SMALL, 8)
    assert not np.array_equal(other._strategy.ask(), searches[0]._strategy.ask())


def test_seeds_of_search_choices_and_judgement_have_nothing_in_common() -> None:
    search = Search(Space(REDS["greedy"], "fenced"), SMALL, 0)
    searched = [search.seeds(generation) for generation in range(20)]
    assert np.max(searched) < FIRST_CHOICE_SEED
    assert len(np.unique(searched)) > 70  # new ones in every generation
    for purpose in (2, 3):
        chosen = choice_seeds(0, purpose, 100)
        assert chosen.min() >= FIRST_CHOICE_SEED
        assert chosen.max() < EVALUATION_SEED
    assert not np.array_equal(choice_seeds(0, 2, 100), choice_seeds(0, 3, 100))


@pytest.mark.slow
def test_code_of_others_is_attacked_in_processes_of_its_own(tmp_path: Path) -> None:
    code = tmp_path / "agent.py"
    code.write_text("def choose(agent, observation, mask):\n    return 0\n")
    policy = load_policy(f"{code}:choose", opening=Opening(trust=True))
    attack = Attack(policy, replace(PARAMS, steps=6), DEFAULT, tmp_path / "attack")
    plan = replace(SMALL, generations=1, episodes=2, choice=2, held_out=3, side=2)
    attack.plan(generations=1)
    assert attack.progress is not None
    attack.progress = replace(attack.progress, plan=plan)
    result = attack.run()
    assert result.policy["name"] == policy.name
    red = load_red(str(tmp_path / "attack" / TABLE))
    played = evaluate(policy, np.array(result.seeds), replace(PARAMS, steps=6, red=red))
    assert result.worst.policy.returns == tuple(played.returns.tolist())
