"""Files of weights and runs that others may have written, changed in one place each.

What is loaded must be sound; everything else gets one error that names the file.
"""

import copy
import io
import math
import os
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.checkpoint import (
    SIZE_LIMIT,
    Checkpoint,
    load_checkpoint,
    read_plain,
    save_checkpoint,
    write_plain,
)
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.trained import TrainedPolicy, load_trained
from cagexplain.policies.registry import load_policy
from tests.support.training_env import FakeEnv
from trainers.core import loop
from trainers.core.config import RunConfig
from trainers.core.stored import fitted
from trainers.registry import find_preset

pytestmark = pytest.mark.slow

WRONG = (None, "x", -1, math.nan, 10**30, [], {"a": 1}, torch.zeros(3, 0), "\ud800")


def places(value, at=()):
    """Where something lies in containers; of many entries alike, only the first and last."""
    if at:
        yield at
    if isinstance(value, dict):
        items = list(value.items())
        items = items if len(items) < 60 else items[:4] + items[-4:]
    elif isinstance(value, list | tuple):
        items = [(i, value[i]) for i in sorted({0, len(value) - 1} & set(range(len(value))))]
    else:
        items = []
    for key, item in items:
        yield from places(item, (*at, key))


def changed(value, at, new):
    """A copy with one entry changed, or taken out if `new` is `...`."""
    twin = copy.copy(list(value) if isinstance(value, tuple) else value)
    key, *rest = at
    if rest:
        twin[key] = changed(value[key], rest, new)
    elif new is ...:
        del twin[key]
    else:
        twin[key] = new
    return twin


def get(value, at):
    for key in at:
        value = value[key]
    return value


@pytest.fixture(scope="module")
def content():
    config = {
        "observation": "memory",
        "network": "scores",
        "hidden": [4],
        "core": "gru",
        "core_size": 3,
        "acting": "sampled",
        "messages": "8bit",
        "clip": 0.2,
    }
    stacks = networks.build_actors(config)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(0), 1.0)
    weights = {"actors": networks.stored(stacks), "outputs": "logits"}
    summary = {"steps": 5, "evaluations": [[5, -1.0]], "engine": {"name": "cagexplain"}}
    file = io.BytesIO()
    torch.save(weights, file)
    checkpoint = Checkpoint("ippo", "tuned", config, weights, summary)
    return {"project": "cagexplain", "kind": "checkpoint", "format_version": 1, **vars(checkpoint)}


def refusal(path, load=load_trained):
    with pytest.raises(CagexplainError) as error:
        load(path)
    assert error.value.where == path and error.value.remedy
    return error.value


def test_the_unchanged_checkpoint_plays(tmp_path, content):
    torch.save(content, tmp_path / "ckpt.pt")
    policy = load_trained(tmp_path / "ckpt.pt")
    assert (policy.profile, policy.messages, policy.deterministic) == ("memory", "8bit", False)


def test_a_checkpoint_changed_anywhere_is_sound_or_refused(tmp_path, content):
    path, refused = tmp_path / "ckpt.pt", 0
    for number, at in enumerate(places(content)):
        for new in (*(WRONG * 2)[number % len(WRONG) :][:4], ...):
            torch.save(changed(content, at, new), path)
            try:
                load_trained(path).describe()
            except CagexplainError as error:
                assert error.where == path, (at, new)
                refused += 1
            else:  # what may be anything, and what has a default
                free = at[0] in ("config", "summary", "versions") or at == ("weights", "outputs")
                assert free or (len(at) == 1 and new == "x"), (at, new)
                assert not isinstance(new, torch.Tensor), at
                assert new is ... or (new == new and new not in ("\ud800", 10**30)), (at, new)
    assert refused > 200


@pytest.mark.parametrize(
    ("at", "new", "field", "said"),
    [
        (("config", "hidden"), [30_000, 30_000], "weights", "do not fit the settings"),
        (("config", "hidden"), [10**12], "weights", "do not fit the settings"),
        (("config", "hidden"), [0], "config.hidden[0]", ">= 1"),
        (("config", "hidden"), [], "config.hidden", "length >= 1"),
        (("config", "core_size"), 10**9, "weights", "do not fit the settings"),
        (("config", "core_size"), True, "config.core_size", "expected 'int'"),
        (("config", "observation"), "flat", "weights", "do not fit the settings"),
        (("config", "network"), "brain", "config.network", "'brain'"),
        (("config", "clip"), math.nan, "config.clip", "not a finite number"),
        (("summary", "steps"), math.inf, "summary.steps", "not a finite number"),
        (("summary", "evaluations", 0, 1), math.nan, "summary.evaluations[0][1]", "finite"),
        (("summary", "engine", "name"), "\udcff", "summary.engine.name", "not valid Unicode"),
        (("summary",), {"\udcff": 1}, "summary", "key"),
        (("weights", "outputs"), "votes", "weights.outputs", "'votes'"),
        (("algorithm",), "x" * 201, "algorithm", "length <= 200"),
        (("format_version",), True, "format_version", "expected 'int'"),
        (("kind",), ["checkpoint"], "kind", "expected 'str'"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, content, at, new, field, said):
    path = tmp_path / "ckpt.pt"
    torch.save(changed(content, at, new), path)
    error = refusal(path)
    assert error.field == field and said in error.problem


def test_a_list_that_holds_itself_a_thousand_times_is_not_written_out(tmp_path, content):
    laughs = []
    laughs += [laughs] * 1000  # and itself
    torch.save(changed(content, ("summary", "steps"), laughs), tmp_path / "ckpt.pt")
    assert "more in it" in refusal(tmp_path / "ckpt.pt").problem


def actors(content, change):
    stored = [
        [[change(t) for t in layer] for layer in group] for group in content["weights"]["actors"]
    ]
    return changed(content, ("weights", "actors"), stored)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.double(), "type torch.float64"),
        (lambda t: t.int(), "type torch.int32"),
        (lambda t: t[:1].expand(t.shape) if len(t) else t, "out of order"),
        (lambda t: t[:-1], "has shape"),
        (lambda t: t * math.nan, "not finite"),
        (lambda t: t.tolist(), "is a list, not a tensor"),
    ],
)
def test_other_tensors_are_refused(tmp_path, content, change, said):
    torch.save(actors(content, change), tmp_path / "ckpt.pt")
    error = refusal(tmp_path / "ckpt.pt")
    assert error.field == "weights" and said in error.problem


@pytest.mark.parametrize("factor", [1e20, -1e30])
def test_finite_weights_with_outputs_that_are_not_are_refused(tmp_path, content, factor):
    torch.save(actors(content, lambda t: t * factor), tmp_path / "ckpt.pt")
    error = refusal(tmp_path / "ckpt.pt")
    assert "blue_agent_0 computes is not finite" in error.problem


def test_an_overflow_in_play_names_the_agent(tmp_path, content):
    torch.save(content, tmp_path / "ckpt.pt")
    policy = load_trained(tmp_path / "ckpt.pt")
    env = FakeEnv(2)
    env.reset(np.arange(2))
    policy.reset(np.arange(2))
    policy.act(env.obs, env.mask, env.free)
    policy.actors[0].layers[-1][1][2, 5] = math.inf  # of one logit of the third agent
    with pytest.raises(CagexplainError, match="blue_agent_2 computes is not finite"):
        policy.act(env.obs, env.mask, env.free)


def test_networks_beyond_the_limit_are_refused_before_they_are_made():
    settings = {"observation": "flat", "network": "mlp", "hidden": [30_000, 30_000]}
    with pytest.raises(UsageError, match="too large") as error:
        networks.build_actors(settings)
    assert error.value.field == "hidden"


def repacked(path, change, compression=zipfile.ZIP_STORED):
    """The archive with its members changed: a dict of names and contents."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, part in members.items():
            archive.writestr(name, part)


@pytest.mark.parametrize(
    ("change", "compression", "said"),
    [
        (lambda m: m.update({"ckpt/evil.bin": bytes(10)}), zipfile.ZIP_STORED, "evil.bin"),
        (lambda m: m.update({"other/data/0": bytes(10)}), zipfile.ZIP_STORED, "other/data/0"),
        (lambda m: m.update({"ckpt/../data/0": bytes(9)}), zipfile.ZIP_STORED, "ckpt/../data/0"),
        (lambda m: m.update({"ckpt/data/99": bytes(10**8)}), zipfile.ZIP_DEFLATED, "compressed"),
        (
            lambda m: m.update({"ckpt/data.pkl": b"\x80\x02N."}),
            zipfile.ZIP_STORED,
            "of other sizes",
        ),
        (lambda m: m.update({"ckpt/data.pkl": b"\x80\x02"}), zipfile.ZIP_STORED, "damaged"),
        (lambda m: m.pop("ckpt/data/0"), zipfile.ZIP_STORED, "damaged"),
        (
            lambda m: m.update(
                {"ckpt/data.pkl": b"\x80\x02cbuiltins\nbytearray\nJ\0\0\0\x40\x85R."}
            ),
            zipfile.ZIP_STORED,
            "pickled code",
        ),
    ],
)
def test_archives_that_we_do_not_write(tmp_path, content, change, compression, said):
    path = tmp_path / "ckpt.pt"
    torch.save(content, path)
    repacked(path, lambda members: None)
    load_trained(path)  # packed again as it was, it is good
    repacked(path, change, compression)
    assert said in refusal(path).problem


def test_numbers_of_tensors_are_of_their_tensors_size(tmp_path, content):
    def sizes(path):
        with zipfile.ZipFile(path) as archive:
            return {m.filename: m.file_size for m in archive.infolist() if "/data/" in m.filename}

    def exchanged(members):
        members[small], members[large] = members[large], members[small]

    path = tmp_path / "ckpt.pt"
    torch.save(content, path)
    small, *_, large = sorted(filter(sizes(path).get, sizes(path)), key=sizes(path).get)
    for change in (
        lambda m: m.update({large: m[large][:-4]}),
        lambda m: m.update({small: m[small] * 2}),
        lambda m: m.update({"ckpt/data/999": bytes(4)}),
        exchanged,
    ):
        torch.save(content, path)
        repacked(path, change)
        assert "tensors of other sizes" in refusal(path).problem


def test_what_is_no_file_of_weights_is_refused_unread(tmp_path):
    path = tmp_path / "ckpt.pt"
    os.mkfifo(path)
    assert "this is a pipe" in refusal(path).problem
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "this is a device" in refusal(path).problem
    path.unlink()
    with open(path, "wb") as file:
        file.truncate(SIZE_LIMIT + 1)
    assert "at most" in refusal(path).problem


def test_a_name_that_is_no_utf8_loads(tmp_path, content):
    path = tmp_path / os.fsdecode(b"ck\xff.pt")
    with open(path, "wb") as file:
        torch.save(content, file)
    policy = load_policy(str(path))
    assert policy.describe()["path"].endswith("ck\\udcff.pt")  # which JSON can hold


def test_no_name_is_no_folder():
    with pytest.raises(UsageError, match="the name of the policy is empty"):
        load_policy("")


RUN = RunConfig("ippo", "tuned", 4 * 160, 3, 320, 2, 2)
TINY = {"envs": 4, "hidden": (4,)}
NGU = {"intrinsic": "ngu", "ngu_hidden": (4,), "ngu_embedding": 2, "ngu_k": 2}
REPLAY = {"replay": 8, "updates": 1, "batch": 4, "warmup": 0}
RUNS = {
    "ippo": replace(find_preset("ippo", "tuned"), **TINY, **NGU, epochs=1, minibatches=1),
    "per_qmix": replace(
        find_preset("per_qmix", "tuned"), **TINY, **REPLAY, mixer_embed=2, mixer_hyper=2
    ),
    "per_maddpg": replace(find_preset("per_maddpg", "tuned"), **TINY, **REPLAY, critic_hidden=(4,)),
}


def fake(n_envs, threads, red):
    return FakeEnv(n_envs)


class Enough(Exception):
    pass


@pytest.fixture(scope="module", params=RUNS)
def stopped(request, tmp_path_factory):
    """`resume.pt` of a run after two of its four rounds."""
    folder = tmp_path_factory.mktemp("run")
    config = replace(RUN, algorithm=request.param)
    run = loop.start(config, RUNS[request.param], folder / "run", threads=1, make_env=fake)
    with pytest.MonkeyPatch.context() as patch:
        save = loop.Run._save

        def stop(self, log):
            save(self, log)
            raise Enough

        patch.setattr(loop.Run, "_save", stop)
        with pytest.raises(Enough):
            run.train()
    content = read_plain(folder / "run" / loop.RESUME, "resume file")
    assert content["progress"]["rounds"] == 2
    return content


@pytest.fixture
def resumed(tmp_path, stopped, monkeypatch):
    """Resumes a run from given content, with a learner that is made once."""
    kind, made = stopped["run"]["algorithm"], []
    entry = loop.find_algorithm(kind)

    def make(*args):
        made.append(made[0] if made else entry.make(*args))
        return made[0]

    monkeypatch.setattr(loop, "find_algorithm", lambda name: replace(entry, make=make))
    torch.save(stopped, tmp_path / loop.RESUME)

    def resume(content):
        monkeypatch.setattr(loop, "read_plain", lambda path, kind: dict(content))
        return loop.resume(tmp_path, threads=1, make_env=fake)

    return resume


def test_a_resume_file_changed_anywhere_is_sound_or_refused(tmp_path, stopped, resumed):
    refused, taken = 0, set()
    for number, at in enumerate(places(stopped)):
        for new in (*(WRONG * 2)[number % len(WRONG) :][:2], ...):
            try:
                resumed(changed(stopped, at, new))
            except CagexplainError as error:
                assert error.where == tmp_path / loop.RESUME, (at, new)
                refused += 1
            else:
                taken.add(at)
    assert refused > 200
    for at in taken:  # other numbers, and what says nothing
        part = {"param_groups", "settings", "run", "progress"} & set(at)
        header = at[0] in ("project", "kind", "format_version")  # of which `read_plain` takes care
        assert part or header or isinstance(get(stopped, at), int | float), at


def test_moments_of_other_shapes_never_reach_an_optimiser(stopped, resumed):
    seen = 0
    for at in places(stopped["learner"]):
        if at[-1] in ("exp_avg", "exp_avg_sq", "step"):
            with pytest.raises(CagexplainError, match="is a tensor of") as error:
                resumed(changed(stopped, ("learner", *at), torch.zeros(1)))
            assert error.value.field.endswith(f".{at[-1]}")
            seen += 1
    assert seen > 5


@pytest.mark.parametrize(
    ("at", "new", "field"),
    [
        (("progress", "rounds"), -1, "progress.rounds"),
        (("progress", "seconds"), math.nan, "progress.seconds"),
        (("progress", "evaluations"), [[1.0]], "progress.evaluations[0]"),
        (("run", "steps"), "60", "steps"),
        (("run", "red"), "purple", "red"),
        (("settings", "gamma"), 2.0, "gamma"),
        (("settings", "hidden"), [4.5], "hidden[0]"),
        (("settings",), {}, None),
        (("progress", "best"), ..., "best"),
        (("progress", "best"), -1e300, "progress.best"),
        (("progress", "best_steps"), 1, "progress.best"),
        (("progress", "extra"), 1, "extra"),
        (("run", "eval_every"), ..., "eval_every"),
        (("learner", "player"), [], "learner.player"),
    ],
)
def test_what_is_wrong_in_a_resume_file_is_named(tmp_path, stopped, at, new, field):
    torch.save(changed(stopped, at, new), tmp_path / loop.RESUME)
    with pytest.raises(CagexplainError) as error:
        loop.resume(tmp_path, threads=1, make_env=fake)
    assert (error.value.where, error.value.field) == (tmp_path / loop.RESUME, field)
    assert error.value.exit_code == 1


@pytest.mark.parametrize("new", [1, 10**400, True, "1", math.nan, None])
def test_numbers_of_a_learner_are_numbers_of_their_type(tmp_path, new):
    with pytest.raises(CagexplainError) as error:
        fitted({"weight": 0.5}, {"weight": new}, tmp_path, "norm")
    assert (error.value.where, error.value.field) == (tmp_path, "norm.weight")


def test_networks_larger_than_their_file_are_not_made(tmp_path, stopped, monkeypatch):
    large = changed(stopped, ("settings", "hidden"), [8192, 1024])
    torch.save(large, tmp_path / loop.RESUME)
    monkeypatch.setattr(loop, "Run", None)
    with pytest.raises(CagexplainError, match="smaller than the networks of its settings"):
        loop.resume(tmp_path, threads=1, make_env=fake)


def test_rounds_and_steps_must_agree(tmp_path, stopped):
    torch.save(changed(stopped, ("progress", "steps"), 100), tmp_path / loop.RESUME)
    run = loop.resume(tmp_path, threads=1, make_env=fake)
    run.progress.best = None
    with pytest.raises(CagexplainError, match="2 rounds of 160 steps are not 100"):
        run.train()


@pytest.mark.parametrize("algorithm", ["per_qmix"])
def test_a_replay_memory_may_be_missing_when_training_is_over(tmp_path, algorithm):
    settings, config = RUNS[algorithm], replace(RUN, algorithm=algorithm)
    folder = tmp_path / "run"
    first = loop.start(config, settings, folder, threads=1, make_env=fake).train()
    (folder / "result.json").unlink()  # the remedy for a damaged one
    assert loop.resume(folder, threads=1, make_env=fake).train().final_returns == (
        first.final_returns
    )
    content = read_plain(folder / loop.RESUME, "resume file")
    write_plain(
        folder / loop.RESUME,
        "resume file",
        content | {"progress": content["progress"] | {"rounds": 2, "steps": 320}},
    )
    (folder / "result.json").unlink()
    with pytest.raises(CagexplainError, match="the replay memory is missing"):
        loop.resume(folder, threads=1, make_env=fake)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "expected 'object', got 'array'"),
        ("{", "not valid JSON"),
        ("{}", "missing required field"),
        ('{"algorithm": "\\ud800"}', "not valid JSON"),
        ('{"algorithm": 3}', "expected 'str'"),
    ],
)
def test_a_damaged_result_is_refused(tmp_path, text, said):
    from trainers.core.result import read_result

    (tmp_path / "result.json").write_text(text)
    with pytest.raises(CagexplainError, match=said) as error:
        read_result(tmp_path)
    assert error.value.where == tmp_path / "result.json"


def test_checkpoints_in_memory_are_checked_as_well(tmp_path, content):
    names = ("algorithm", "variant", "config", "weights", "summary")
    checkpoint = Checkpoint(**{name: content[name] for name in names})
    TrainedPolicy(checkpoint)
    checkpoint.config = checkpoint.config | {"network": "brain"}
    with pytest.raises(CagexplainError, match="brain"):
        TrainedPolicy(checkpoint)
    save_checkpoint(tmp_path / "ckpt.pt", checkpoint)
    with pytest.raises(CagexplainError, match="brain"):
        load_checkpoint(tmp_path / "ckpt.pt")
