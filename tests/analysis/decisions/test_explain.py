"""Decisions of a trace: replaying, choosing and explaining them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cagexplain.analysis.decisions import screening
from cagexplain.analysis.decisions.alternatives import alternatives, preferences
from cagexplain.analysis.decisions.explain import explain
from cagexplain.analysis.decisions.replay import (
    DecisionPlace,
    Record,
    moments,
    params_of,
    play_again,
    policy_of,
    spread,
)
from cagexplain.analysis.decisions.screening import (
    APART,
    _chosen,
    _surely,
    candidates_of,
    critical,
)
from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.checkpoint import Checkpoint, save_checkpoint
from cagexplain.policies.learned import networks
from cagexplain.policies.registry import load_policy, reload_policy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace

PARAMS = EnvParams(steps=50, green_false_positive=0.1)
EPISODES = 4


def record(folder: Path, policy: Policy) -> Trace:
    Recording(folder / "trace", policy, np.arange(70, 70 + EPISODES), PARAMS, batch=3).run()
    return open_trace(folder / "trace")


def checkpoint(folder: Path, outputs: str = "logits", profile: str = "memory") -> Path:
    config = {"network": "mlp", "observation": profile, "hidden": (8,), "acting": "sampled"}
    if outputs == "values":
        config["acting"] = "greedy"
    stacks = networks.build_actors(config)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(3), 1.0)
    weights = {"actors": networks.stored(stacks), "outputs": outputs}
    path = folder / f"{outputs}.pt"
    save_checkpoint(path, Checkpoint("ippo", "test", config, weights, {}))
    return path


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return record(tmp_path_factory.mktemp("punch"), load_policy("punch"))


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("sampled")
    return record(folder, load_policy(str(checkpoint(folder))))


@pytest.fixture(scope="module")
def valued(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("valued")
    return record(folder, load_policy(str(checkpoint(folder, "values"))))


@pytest.fixture(scope="module")
def reading(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    folder = tmp_path_factory.mktemp("reading")
    return record(folder, load_policy(str(checkpoint(folder, profile="raw"))))


@pytest.fixture(scope="module")
def champion(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return record(tmp_path_factory.mktemp("champion"), load_policy("champion"))


def decided(trace: Trace, n: int) -> list[DecisionPlace]:
    """Some decisions, in several episodes."""
    record = Record(trace, range(trace.n_episodes))
    every = np.argwhere(record.started)
    chosen = np.random.default_rng(0).choice(len(every), n, replace=False)
    return [DecisionPlace(*map(int, every[i])) for i in chosen]


@pytest.mark.parametrize("name", ["scripted", "sampled", "valued", "reading", "champion"])
def test_the_saved_moments_are_those_of_the_trace(
    name: str, request: pytest.FixtureRequest
) -> None:
    trace: Trace = request.getfixturevalue(name)
    assert params_of(trace) == PARAMS
    places = decided(trace, 6)
    found = moments(Record(trace, {p.episode for p in places}), policy_of(trace), places)
    rows = trace.table("blue").set_index(["episode", "step", "agent"])
    seen = trace.table("observations").set_index(["episode", "step", "agent"])
    for place, moment in zip(places, found, strict=True):
        assert moment.place == place
        assert moment.seed == 70 + place.episode
        for agent, action in enumerate(moment.submitted):
            assert rows.loc[(place.episode, place.step, BLUE[agent]), "action"] == action
            bits = moment.snapshot.obs[0, observations.slice_of(agent)][1:]
            told = seen.loc[(place.episode, place.step, BLUE[agent]), "bits"]
            assert np.packbits(bits).tobytes() == told
        # The saved policy has not decided yet; asked again, it decides the same.
        decision = moment.about_to_act().act(moment.snapshot.obs, moment.snapshot.mask, moment.free)
        np.testing.assert_array_equal(decision.actions[0], moment.submitted)


def test_a_policy_that_does_something_else_is_noticed(scripted: Trace) -> None:
    with pytest.raises(CagexplainError, match="blue_agent_0 does not do in step 2"):
        play_again(Record(scripted, [0]), load_policy("reactive"), 20)


def test_a_policy_that_differs_later_does_not_matter(scripted: Trace) -> None:
    """Both rules analyse in turn until there is something to react to: two steps are alike."""
    play_again(Record(scripted, [0]), load_policy("analyse_cycle"), 2)


def test_busy_agents_decide_nothing(scripted: Trace) -> None:
    record = Record(scripted, [1])
    busy = int(np.flatnonzero(~record.started[0, :, 3])[0])
    assert busy == 1  # Analyse takes two steps
    with pytest.raises(UsageError) as error:
        explain(scripted, policy_of(scripted), [DecisionPlace(1, busy, 3)])
    told = str(error.value)
    assert "busy with Analyse from step 0 until step 1" in told
    assert "nearest decisions are in steps 0 and 2" in told


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (DecisionPlace(EPISODES, 0, 0), f"episodes 0 to {EPISODES - 1}"),
        (DecisionPlace(10**30, 0, 0), f"episodes 0 to {EPISODES - 1}"),
        (DecisionPlace(0, 49, 0), "steps 0 to 48"),
    ],
)
def test_what_is_not_there(scripted: Trace, place: DecisionPlace, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        explain(scripted, policy_of(scripted), [place])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"steps": "many"}, "options.steps"),
        ({"red": "pink"}, "options.red"),
        (None, "options.steps"),
    ],
)
def test_damaged_options_are_named(
    scripted: Trace, change: dict[str, str] | None, field: str
) -> None:
    options = {} if change is None else {**scripted.manifest.options, **change}
    damaged = Trace(scripted.path, replace(scripted.manifest, options=options))
    with pytest.raises(CagexplainError, match=f"manifest.json: {field}: .*Record the trace again"):
        explain(damaged, policy_of(scripted), [DecisionPlace(0, 0, 0)])


def test_busy_late_in_an_episode(tmp_path: Path) -> None:
    """Ticks are stored in eight bits, steps do not fit them."""
    Recording(tmp_path / "long", load_policy("restore_cycle"), np.arange(1), EnvParams(200)).run()
    trace = open_trace(tmp_path / "long")
    busy = np.flatnonzero(~Record(trace, [0]).started[0, :, 0])
    with pytest.raises(UsageError, match=f"decides nothing in step {busy[-1]}"):
        explain(trace, policy_of(trace), [DecisionPlace(0, int(busy[-1]), 0)])


def test_traces_of_cyborg_cannot_be_played_on(scripted: Trace) -> None:
    foreign = Trace(scripted.path, replace(scripted.manifest, engine={"name": "CybORG"}))
    with pytest.raises(CagexplainError, match="recorded on CybORG"):
        explain(foreign, policy_of(scripted), [DecisionPlace(0, 0, 0)])


@pytest.mark.parametrize("name", ["scripted", "sampled", "valued"])
def test_every_kind_is_represented_by_what_the_policy_likes_best(
    name: str, request: pytest.FixtureRequest
) -> None:
    trace: Trace = request.getfixturevalue(name)
    places = decided(trace, 8)
    for moment in moments(Record(trace, range(EPISODES)), policy_of(trace), places):
        agent = moment.place.agent
        weighed = preferences(moment)
        found = alternatives(moment, weighed)
        kinds = actions.KIND[agent][list(found)]
        assert sorted(kinds) == list(range(actions.N_KINDS))
        assert moment.chosen in found
        mask = moment.snapshot.mask[0, actions.slice_of(agent)]
        assert mask[list(found)].all()
        every = alternatives(moment, weighed, every_action=True)
        assert list(every) == np.flatnonzero(mask).tolist()
        if weighed.weights is None:
            host = actions.HOST[agent][moment.chosen]
            for action in found:
                if host >= 0 and actions.HOST[agent][action] >= 0:
                    assert actions.HOST[agent][action] == host
        else:
            for action, kind in zip(found, kinds, strict=True):
                of_kind = weighed.weights[mask & (actions.KIND[agent] == kind)]
                assert action == moment.chosen or weighed.weights[action] == of_kind.max()


@pytest.mark.parametrize("name", ["sampled", "reading"])
def test_probabilities_are_those_of_the_trace(name: str, request: pytest.FixtureRequest) -> None:
    trace: Trace = request.getfixturevalue(name)
    places = decided(trace, 3)
    report = explain(trace, policy_of(trace), places, rollouts=0)
    rows = trace.table("blue").set_index(["episode", "step", "agent"])
    for decision in report.decisions:
        row = rows.loc[(decision.episode, decision.step, decision.agent)]
        chosen = next(option for option in decision.options if option.chosen)
        assert chosen.probability == pytest.approx(row["probability"], rel=1e-4)
        assert decision.entropy == pytest.approx(row["entropy"], rel=1e-4)
        assert decision.zone_state == row["zone_state"]
        kinds = {option.kind: option.kind_probability for option in decision.options}
        assert sum(p or 0 for p in kinds.values()) == pytest.approx(1)
        assert all(option.outcome is None for option in decision.options)


@pytest.mark.parametrize("name", ["scripted", "sampled", "valued"])
def test_an_explanation_is_whole_and_plain(name: str, request: pytest.FixtureRequest) -> None:
    trace: Trace = request.getfixturevalue(name)
    places = decided(trace, 2)
    report = explain(trace, policy_of(trace), places, rollouts=10, horizon=5, workers=2)
    assert json.loads(json.dumps(report.to_json(), allow_nan=False))["rollouts"] == 10
    for place, decision in zip(places, report.decisions, strict=True):
        assert (decision.episode, decision.step) == (place.episode, place.step)
        assert decision.seed == 70 + place.episode
        returns = [o.outcome.mean_return for o in decision.options if o.outcome is not None]
        assert len(returns) == actions.N_KINDS
        assert returns == sorted(returns, reverse=True)
        assert (decision.attribution is None) == (name == "scripted")
        assert {option.value is None for option in decision.options} == {name != "valued"}
        assert {option.probability is None for option in decision.options} == {name != "sampled"}
        assert decision.flips is not None
        assert len(decision.notes) == (2 if name == "scripted" else 0)


@pytest.mark.parametrize("name", ["scripted", "sampled", "valued"])
def test_critical_decisions_lie_apart_and_matter_most_first(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "HORIZON", 10)
    monkeypatch.setattr(screening, "ROLLOUTS", 3)
    trace: Trace = request.getfixturevalue(name)
    found = critical(trace, policy_of(trace), 3)
    assert len(found.places) == 3
    importance = [found.importance[place] for place in found.places]
    assert importance == sorted(importance, reverse=True)
    for i, one in enumerate(found.places):
        for other in found.places[:i]:
            same = (one.episode, one.agent) == (other.episode, other.agent)
            assert not same or abs(one.step - other.step) >= APART
    record = Record(trace, range(EPISODES))
    assert all(record.started[p.episode, p.step, p.agent] for p in found.places)
    words = {"scripted": "(drawn at random)", "sampled": "log-probabilities", "valued": "of values"}
    assert words[name] in found.how


def test_what_differs_by_chance_does_not_stand_before_what_surely_differs() -> None:
    noisy = np.zeros((2, 8, 4), np.int64)
    noisy[1, :, 0] = [-90, 90, -80, 80, -70, 85, -60, 60]
    clear = np.zeros((2, 8, 4), np.int64)
    clear[1, :, 0] = [5, 6, 5, 7, 5, 6, 5, 6]
    dear = np.zeros((2, 8, 4), np.int64)
    dear[1, :, -1] = -1  # a Restore costs a point, whatever comes of it
    assert _surely(clear, 0) > 4.5 > 0 > _surely(noisy, 0)
    assert _surely(dear, 0) == 0
    assert _surely(clear, 1) == pytest.approx(_surely(clear, 0))


def test_each_thing_that_is_asked_about_has_its_decision_first() -> None:
    places = [DecisionPlace(0, step, 0) for step in range(5)]
    importance = dict(zip(places, (9.0, 1.0, 2.0, 7.0, -1.0), strict=True))
    about = {places[1]: "A", places[2]: "A", places[4]: "B"}
    chosen = _chosen(importance, about, 3)
    assert chosen == [places[2], places[0], places[3]], "nothing sure is known of B"


def test_cases_are_followed_to_the_decisions_that_answer_them(scripted: Trace) -> None:
    record = Record(scripted, range(EPISODES))
    row, step, agent = (int(axis[-1]) for axis in np.nonzero(record.started[:, :50]))
    case = DecisionPlace(int(record.episodes[row]), step, agent)
    found = critical(scripted, policy_of(scripted), 4, cases={"X-01": [case], "X-02": []})
    assert set(found.about.values()) <= {"X-01"}
    assert all(found.about[place] == "X-01" for place in found.about)
    assert "1 case of findings" in found.how


def test_critical_decisions_of_one_agent_in_one_episode(scripted: Trace) -> None:
    found = critical(scripted, policy_of(scripted), 50, agent=2, episode=1)
    assert {(p.episode, p.agent) for p in found.places} == {(1, 2)}
    assert 1 < len(found.places) <= 5 < candidates_of(50)  # there are no more that lie apart


def test_long_traces_are_looked_at_here_and_there() -> None:
    assert spread(3).tolist() == [0, 1, 2]
    assert len(spread(2_000)) == 64
    assert (spread(2_000)[0], spread(2_000)[-1]) == (0, 1_999)


def test_policies_are_found_again(tmp_path: Path) -> None:
    path = checkpoint(tmp_path)
    facts = load_policy(str(path), mask_sleep=True, deterministic=True).describe()
    assert reload_policy(facts).describe() == facts
    for name in ("punch", "ippo_tuned"):
        told = load_policy(name).describe()
        assert reload_policy(told).describe() == told
    moved = path.rename(tmp_path / "elsewhere.pt")
    with pytest.raises(CagexplainError, match=r"not here.*--policy PATH"):
        reload_policy(facts)
    assert reload_policy(facts, moved).describe()["sha256"] == facts["sha256"]
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(CagexplainError, match=r"another policy.*--policy PATH"):
        reload_policy(facts, checkpoint(other, "values"))
    by_own_code = r"'mine', that only its own code can play\. Give it with --policy\."
    with pytest.raises(CagexplainError, match=by_own_code):
        reload_policy({"name": "mine", "kind": "scripted"})
    for name in ("a" * 3_000, "a\0b"):
        with pytest.raises(CagexplainError, match="not here"):
            reload_policy({**facts, "path": name})
    without_digest = {"name": "mine", "kind": "checkpoint", "path": str(moved)}
    with pytest.raises(CagexplainError, match=by_own_code):
        reload_policy(without_digest)
    assert reload_policy(without_digest, moved).describe()["sha256"] == facts["sha256"]
