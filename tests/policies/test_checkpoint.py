import os
import pickle
import zipfile

import pytest
import torch

from cagexplain.common.errors import CagexplainError
from cagexplain.policies.checkpoint import (
    LAYOUT,
    Checkpoint,
    load_checkpoint,
    save_checkpoint,
    write_plain,
)
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.trained import TrainedPolicy, load_trained


@pytest.fixture
def checkpoint():
    config = {"observation": "flat", "network": "mlp", "acting": "sampled", "hidden": [8]}
    stacks = networks.build_actors(config)
    for stack in stacks:
        stack.initialise(torch.Generator().manual_seed(0), 1.0)
    return Checkpoint(
        algorithm="ippo",
        variant="paper",
        config=config,
        weights={"actors": networks.stored(stacks)},
        summary={"steps": 5},
    )


@pytest.fixture
def path(tmp_path, checkpoint):
    save_checkpoint(tmp_path / "ckpt.pt", checkpoint)
    return tmp_path / "ckpt.pt"


def refusal(path):
    with pytest.raises(CagexplainError) as error:
        load_trained(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_round_trip(path, checkpoint):
    loaded = load_checkpoint(path)
    assert loaded.summary == {"steps": 5}
    assert loaded.layout == LAYOUT
    assert set(loaded.versions) >= {"cagexplain", "torch", "numpy"}
    for ours, theirs in zip(checkpoint.weights["actors"], loaded.weights["actors"], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert torch.equal(a[0], b[0])
            assert torch.equal(a[1], b[1])


def test_a_view_is_saved_without_its_base(tmp_path):
    write_plain(tmp_path / "small.pt", "test", {"x": torch.zeros(1_000_000)[5:7]})
    assert (tmp_path / "small.pt").stat().st_size < 10_000


def test_a_large_tensor_is_written_without_a_copy(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(torch, "save", lambda content, file: written.append(content))
    whole, turned = torch.arange(6.0).view(2, 3), torch.arange(6.0).view(2, 3).T
    write_plain(tmp_path / "x.pt", "test", {"whole": whole, "turned": [turned]})
    assert written[0]["whole"].data_ptr() == whole.data_ptr()
    assert torch.equal(written[0]["turned"][0], turned)
    assert written[0]["turned"][0].is_contiguous()


class Payload:
    """Pickles as a call that creates a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("where", ["weights", "config", "alone", "legacy"])
def test_pickled_code_is_refused_and_not_run(tmp_path, where):
    target = tmp_path / "created-by-the-payload"
    path = tmp_path / "evil.pt"
    content = {
        "project": "cagexplain",
        "kind": "checkpoint",
        "format_version": 1,
        "algorithm": "ippo",
        "variant": "paper",
        "config": {},
        "weights": {},
        "summary": {},
        "layout": LAYOUT,
        "versions": {},
    }
    payload = Payload(target)
    if where == "alone":
        torch.save(payload, path)
    elif where == "legacy":
        path.write_bytes(pickle.dumps(content | {"weights": payload}))
    else:
        torch.save(content | {where: {"actors": payload}}, path)
    message = refusal(path)
    assert "pickled code" in message or "not a cagexplain checkpoint" in message
    assert not target.exists()
    # The payload is live: an unrestricted load would have run it.
    if where == "legacy":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert target.exists()


def test_missing(tmp_path):
    assert "no such checkpoint" in refusal(tmp_path / "none.pt")


@pytest.mark.parametrize("keep", [0, 1, 100, 2000, -1])
def test_truncated(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    assert "damaged" in refusal(path) or "not a cagexplain" in refusal(path)


def test_a_flipped_bit_in_the_weights_is_noticed(path):
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200] ^= 1
    path.write_bytes(content)
    assert "damaged" in refusal(path)


@pytest.mark.parametrize("content", [b"hello", b"{}", b"\x80\x04.", b"PK\x03\x04 nothing"])
def test_other_files(tmp_path, content):
    path = tmp_path / "other.pt"
    path.write_bytes(content)
    refusal(path)


def test_other_archives(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"state_dict": torch.zeros(3)}, path)
    assert "not a cagexplain checkpoint" in refusal(path)
    torch.save([1, 2], path)
    assert "not a cagexplain checkpoint" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme", "text")
    assert "not a cagexplain checkpoint" in refusal(path)


def test_a_resume_file_is_no_checkpoint(tmp_path):
    write_plain(tmp_path / "resume.pt", "resume file", {"learner": {}})
    assert "ckpt.pt for acting" in refusal(tmp_path / "resume.pt")


def change(path, **entries):
    torch.save(torch.load(path, weights_only=True) | entries, path)


def test_newer_format(path):
    change(path, format_version=2)
    assert "Update cagexplain" in refusal(path)


def test_other_layout(path):
    layout = {"observation": {"version": 2, "sizes": [92] * 5}, "action": LAYOUT["action"]}
    change(path, layout=layout)
    assert "another layout" in refusal(path)


def test_missing_and_wrong_entries(path):
    change(path, weights=[1])
    assert "weights: expected 'object', got 'array'" in refusal(path)
    change(path, weights={})
    content = torch.load(path, weights_only=True)
    del content["summary"]
    torch.save(content, path)
    assert "missing required field 'summary'" in refusal(path)


def test_weights_that_do_not_fit(path, checkpoint):
    wrong = [
        {},
        {"actors": []},
        {"actors": checkpoint.weights["actors"][:1]},
        {"actors": [5, 5]},
        {"actors": [[[torch.zeros(4, 92, 82), torch.zeros(4, 81)]]] * 2},
        {"actors": [[[w * float("nan"), b] for w, b in g] for g in checkpoint.weights["actors"]]},
    ]
    for weights in wrong:
        checkpoint.weights = weights
        save_checkpoint(path, checkpoint)
        assert "do not fit" in refusal(path)


def test_unknown_observation_profile_or_network(path):
    change(path, config={"observation": "telepathy", "network": "mlp"})
    assert "telepathy" in refusal(path)
    change(path, config={"observation": "flat", "network": "brain"})
    assert "brain" in refusal(path)


def test_facts_for_manifests_are_plain(path):
    import json

    facts = load_trained(path).describe()
    json.dumps(facts)
    assert facts["path"] == str(path)
    assert len(facts["sha256"]) == 64


def test_acting_setting_decides_unless_told_otherwise(checkpoint):
    assert not TrainedPolicy(checkpoint).deterministic
    assert TrainedPolicy(checkpoint, deterministic=True).deterministic
    checkpoint.config["acting"] = "greedy"
    assert TrainedPolicy(checkpoint).deterministic
