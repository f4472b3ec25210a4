"""A double oracle from beginning to end, with a trainer that takes no time."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cagexplain.attack.oracle import progress, results
from cagexplain.attack.oracle.results import OracleResult, Plan
from cagexplain.attack.oracle.run import Narrate, Oracle, Settings, Training
from cagexplain.cc4.reds import REDS, RedTable, load_red
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED

pytestmark = pytest.mark.slow

PARAMS = EnvParams(steps=60)
SETTINGS = Settings(Plan(rounds=2, generations=1, steps=100, table=12, held_out=20))
POLICIES = ("sleep", "reactive")


class Trainer:
    """Gives a shipped policy for each training, in a file of its own, and remembers what for."""

    def __init__(self) -> None:
        self.trainings: list[Training] = []

    def __call__(self, training: Training) -> Path:
        self.trainings.append(training)
        shipped = Path(load_policy.__code__.co_filename).parents[1] / "data"
        file = training.folder / "ckpt.pt"
        file.parent.mkdir(exist_ok=True)
        shutil.copy(shipped / "ippo_tuned.pt", file)
        return file


@contextmanager
def quiet(words: str, steps: int | None) -> Iterator[Any]:
    yield lambda steps: None, lambda words: None


def interrupting(at: str) -> Narrate:
    """Ctrl-C as soon as words begin so."""

    def tell(words: str) -> None:
        if words.startswith(at):
            raise KeyboardInterrupt

    @contextmanager
    def narrate(words: str, steps: int | None) -> Iterator[Any]:
        tell(words)
        yield lambda steps: None, tell

    return narrate


def oracle(
    folder: Path, trainer: Trainer | None = None, narrate: Narrate = quiet, resume: bool = False
) -> Oracle:
    return Oracle(
        {name: load_policy(name) for name in POLICIES},
        [REDS["finite_state"]],
        PARAMS,
        SETTINGS,
        folder,
        train=trainer or Trainer(),
        narrate=narrate,
        resume=resume,
        workers=1,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, OracleResult, Trainer]:
    folder, trainer = tmp_path_factory.mktemp("oracles") / "whole", Trainer()
    return folder, oracle(folder, trainer).run(), trainer


def test_the_file_is_the_result(whole: tuple[Path, OracleResult, Trainer]) -> None:
    folder, result, _ = whole
    assert results.read(folder) == result


def test_each_round_adds_to_both_sides(whole: tuple[Path, OracleResult, Trainer]) -> None:
    folder, result, _ = whole
    assert [blue.key for blue in result.blues] == [*POLICIES, "blue_1", "blue_2"]
    reds = [red.key for red in result.reds]
    assert reds[0] == "finite_state" and 2 <= len(reds) <= 3
    for red in result.reds[1:]:
        assert load_red(str(folder / f"{red.key}.yaml")).document() == red.table
    assert len(result.rounds) == 2


def test_pairs_are_those_of_evaluate(whole: tuple[Path, OracleResult, Trainer]) -> None:
    _, result, _ = whole
    assert result.seeds == tuple(range(EVALUATION_SEED, EVALUATION_SEED + 20))
    params = replace(PARAMS, red=table_of(result, 1))
    played = evaluate(load_policy("reactive"), np.array(result.seeds), params)
    assert result.pairs[1][1].points == tuple(played.returns.tolist())


def table_of(result: OracleResult, number: int) -> RedTable:
    return RedTable.from_document(result.reds[number].table)


def test_the_first_round_answers_what_was_given(
    whole: tuple[Path, OracleResult, Trainer],
) -> None:
    folder, result, trainer = whole
    first = result.rounds[0]
    assert set(first.mixtures.blue) <= set(POLICIES)
    # The attacker is one of all, found or of the portfolio, and worse than CC4's own.
    assert first.red != "finite_state" and first.low.mean < first.mixtures.value.mean + 1e-9
    for number, (training, each) in enumerate(zip(trainer.trainings, result.rounds, strict=True)):
        assert {red.name: weight for red, weight in training.reds} == each.mixtures.red
        assert training.folder.name == f"blue_{number + 1}" and training.seed == number
    assert set(first.mixtures.red) != {"finite_state"}, "blue answers what red has just added"
    chosen_by = json.loads((folder / progress.FILE).read_text("utf-8"))["table"]
    gains = {
        key: sum(w * np.mean(chosen_by[key][red]) for red, w in first.mixtures.red.items())
        for key in POLICIES
    }
    assert trainer.trainings[0].teacher == max(gains, key=lambda key: gains[key])
    assert trainer.trainings[0].teacher == result.blues[2].teacher


def test_bounds_are_sums_over_the_pairs(whole: tuple[Path, OracleResult, Trainer]) -> None:
    _, result, _ = whole
    means = {
        (blue.key, red.key): pair.mean.mean
        for blue, row in zip(result.blues, result.pairs, strict=True)
        for red, pair in zip(result.reds, row, strict=True)
    }
    for each in result.rounds:
        blue, red = each.mixtures.blue, each.mixtures.red
        low = sum(weight * means[key, each.red] for key, weight in blue.items())
        high = sum(weight * means[each.blue, key] for key, weight in red.items())
        assert each.low.mean == pytest.approx(low) and each.high.mean == pytest.approx(high)
        assert each.gap.mean == pytest.approx(high - low)


@pytest.mark.parametrize("at", ["generation 1", "round 2", "blue_2 against"])
def test_an_interrupted_one_goes_on_to_the_same_result(
    whole: tuple[Path, OracleResult, Trainer], tmp_path: Path, at: str
) -> None:
    folder = tmp_path / "oracle"
    with pytest.raises(KeyboardInterrupt):
        oracle(folder, narrate=interrupting(at)).run()
    kept = json.loads((folder / progress.FILE).read_text("utf-8"))
    resumed = oracle(folder, resume=True).run()
    assert replace(resumed, created="") == replace(whole[1], created="", blues=resumed.blues), (
        "all but where the trained policies lie"
    )
    now = json.loads((folder / progress.FILE).read_text("utf-8"))
    assert all(now["table"][key].items() >= row.items() for key, row in kept["table"].items())


def test_without_training_blue_answers_with_what_it_has(tmp_path: Path) -> None:
    trainer = Trainer()
    settings = replace(SETTINGS, plan=replace(SETTINGS.plan, rounds=1, steps=0))
    result = Oracle(
        {name: load_policy(name) for name in POLICIES},
        [REDS["finite_state"]],
        PARAMS,
        settings,
        tmp_path / "oracle",
        train=trainer,
        narrate=quiet,
        workers=1,
    ).run()
    assert not trainer.trainings
    assert [blue.key for blue in result.blues] == list(POLICIES)
    assert result.rounds[0].blue in POLICIES and result.blues[0].teacher is None


def test_a_red_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two attackers have the name 'greedy'"):
        Oracle(
            {"sleep": load_policy("sleep")},
            [REDS["greedy"], REDS["greedy"]],
            PARAMS,
            SETTINGS,
            tmp_path / "oracle",
            train=Trainer(),
            narrate=quiet,
        )


def test_a_finished_one_is_not_resumed(whole: tuple[Path, OracleResult, Trainer]) -> None:
    with pytest.raises(UsageError, match="this double oracle is finished"):
        oracle(whole[0], resume=True)
    with pytest.raises(CagexplainError, match="not empty"):
        oracle(whole[0])


def _set(*place: Any) -> Callable[[dict[str, Any]], None]:
    *path, key, value = place

    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for step in path:
            inner = inner[step]
        inner[key] = value

    return change


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_set("kind", "attack"), "kind: is no interrupted double oracle of this version"),
        (_set("task", "seed", 5), "task.seed: what was interrupted has another seed"),
        (_set("task", "plan", "rounds", 0), "plan.rounds: is less than 1"),
        (_set("hunts", 0, "values", [[1.0]]), "hunts[0].values[0]: is not of 16 candidates"),
        (_set("hunts", 0, "start", "source", "here"), "hunts[0].start.source: 'here' is not"),
        (_set("table", "sleep", "finite_state", [1]), "table.sleep.finite_state: is not of 12"),
    ],
)
def test_damaged_progress_is_refused(
    whole: tuple[Path, OracleResult, Trainer],
    tmp_path: Path,
    damage: Callable[[dict[str, Any]], None],
    named: str,
) -> None:
    content = json.loads((whole[0] / progress.FILE).read_text("utf-8"))
    damage(content)
    (tmp_path / progress.FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(CagexplainError) as refused:
        oracle(tmp_path, resume=True)
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (_set("kind", "attack"), "is not a saved double oracle"),
        (_set("created", "soon"), "created: is not a time"),
        (_set("pairs", 0, []), "pairs: is not 4 x "),
        (_set("pairs", 0, 0, "points", [1]), "pairs[0][0].points: has another number"),
        (_set("pairs", 0, 0, "mean", "mean", 1.0), "pairs[0][0].mean: is not that of its points"),
        (_set("final", "blue", {"sleep": 0.5}), "final.blue: does not sum to 1"),
        (_set("final", "blue", {"nobody": 1.0}), "final.blue: there is no 'nobody'"),
        (_set("rounds", 0, "red", "nobody"), "rounds[0].red: there is no 'nobody'"),
        (_set("rounds", 1, "gap", "mean", 0.5), "rounds[1].gap: is not that of the pairs"),
        (_set("blues", 0, "key", "reactive"), "blues: has a key twice"),
        (_set("more", 1), "more: is unknown"),
    ],
)
def test_damaged_results_are_refused(
    whole: tuple[Path, OracleResult, Trainer],
    tmp_path: Path,
    damage: Callable[[dict[str, Any]], None],
    named: str,
) -> None:
    content = json.loads((whole[0] / results.FILE).read_text("utf-8"))
    damage(content)
    (tmp_path / results.FILE).write_text(json.dumps(content), "utf-8")
    with pytest.raises(CagexplainError) as refused:
        results.read(tmp_path)
    assert named in str(refused.value)
