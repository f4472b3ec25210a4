"""What goes into the replay memory comes out again, wherever the segment begins."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cagexplain.cc4 import actions
from cagexplain.common.errors import UsageError
from cagexplain.policies.checkpoint import read_plain, write_plain
from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.features import GROUPS
from trainers.core import replay as replay_file
from trainers.core.buffers import Rollout
from trainers.core.replay import Replay, Windows

STEPS = 7


def made_up(rng, n, profile="flat", steps=STEPS):
    """A rollout of random entries that could have been played."""
    rollout = Rollout.empty(profile, steps, n)
    for x in rollout.features:
        x.copy_(torch.from_numpy(rng.integers(0, 4, x.shape)))
    mask = rng.random((n, actions.TOTAL)) < 0.3
    mask[:, np.add(actions.OFFSETS, actions.SLEEP_INDEX)] = True
    rollout.legal = networks.by_group(networks.additive(torch.from_numpy(mask)), actions.SIZES)
    rollout.free[:] = rng.random(rollout.free.shape) < 0.5
    rollout.free[0] = True
    running = np.zeros((n, 5), np.int64)
    for t in range(steps):
        for e, agent in np.argwhere(rollout.free[t]):
            offset, size = actions.OFFSETS[agent], actions.SIZES[agent]
            running[e, agent] = rng.choice(np.flatnonzero(mask[e, offset : offset + size]))
        rollout.action[t] = running
    rollout.reward[:] = rng.normal(size=rollout.reward.shape)
    return rollout


def expected_available(rollout, t, e, agent):
    """Actions that are available, told by the definition."""
    g = next(g for g, group in enumerate(GROUPS) if agent in group)
    if rollout.free[t, e, agent]:
        mask = rollout.legal[g][GROUPS[g].index(agent), e]
        return set(torch.nonzero(mask == 0).ravel().tolist())
    return {int(rollout.action[min(t, STEPS - 1), e, agent])}


def expected_elapsed(free, t):
    """Steps since the last free one, told by the definition."""
    return next(k for k in range(t + 1) if free[t - k])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    length=st.integers(1, STEPS),
    burn_in=st.integers(0, STEPS - 1),
    stride=st.integers(1, STEPS),
)
def test_segments_are_what_was_played(seed, length, burn_in, stride):
    rng = np.random.default_rng(seed)
    rollout = made_up(rng, 3)
    stride = min(stride, length)
    replay = Replay("flat", 5, Windows(length, burn_in, stride))
    slots = replay.add(rollout)
    units = replay.units(slots)
    segments = replay.segments(units)
    joint = rollout.joint_features()
    learned, length = length, min(length + burn_in, STEPS)
    starts = sorted({*range(0, STEPS - length, stride), STEPS - length})
    assert len(units) == 3 * len(starts)
    seen = np.zeros((3, STEPS), np.bool_)
    for b in range(len(units)):
        e, number = divmod(b, len(starts))
        start = starts[number]
        here = slice(start, start + length)
        after = slice(start, start + length + 1)
        assert torch.equal(segments.state[:, b], joint[after, e])
        for x, stored in zip(segments.inputs, rollout.features, strict=True):
            assert torch.equal(x[:, :, b], stored[after, :, e])
        assert (segments.action[:, b].numpy() == rollout.action[here, e]).all()
        assert (segments.reward[:, b].numpy() == rollout.reward[here, e]).all()
        assert (segments.free[:, b].numpy() == rollout.free[after, e]).all()
        elapsed = [
            [expected_elapsed(rollout.free[:, e, agent], t) for agent in range(5)]
            for t in range(STEPS + 1)[after]
        ]
        assert segments.elapsed[:, b].tolist() == elapsed
        mask = segments.learned[:, b].numpy()
        assert mask.tolist() == [start == 0 or t >= burn_in for t in range(length)]
        assert start == 0 or mask.sum() == min(learned, length - burn_in)
        seen[e, here] |= mask
        assert segments.last[:, b].tolist() == [t == STEPS - 1 for t in range(STEPS)[here]]
    assert seen.all()


@pytest.mark.parametrize("length", [1, 3, STEPS])
def test_a_busy_agent_has_only_the_running_action(length):
    rollout = made_up(np.random.default_rng(0), 2)
    replay = Replay("flat", 2, Windows(length))
    units = replay.units(replay.add(rollout))
    segments = replay.segments(units)
    for b in range(len(units)):
        e, start = divmod(b, STEPS - length + 1)
        for t in range(length + 1):
            for g, group in enumerate(GROUPS):
                for m, agent in enumerate(group):
                    mask = segments.available[g][t, m, b]
                    assert set(mask.unique().tolist()) <= {0.0, -np.inf}
                    found = set(torch.nonzero(mask == 0).ravel().tolist())
                    assert found == expected_available(rollout, start + t, e, agent)
                    if t < length:
                        assert int(segments.action[t, b, agent]) in found


def test_the_oldest_episodes_make_room():
    rng = np.random.default_rng(1)
    replay = Replay("flat", 5, Windows(None))
    rollouts = [made_up(rng, 2) for _ in range(4)]
    slots = [replay.add(rollout).tolist() for rollout in rollouts]
    assert slots == [[0, 1], [2, 3], [4, 0], [1, 2]]
    assert replay.episodes == 5
    kept = replay.segments(replay.units(np.arange(5))).reward[:, :, 0]
    by_slot = {  # (rollout, episode)
        0: (2, 1),
        1: (3, 0),
        2: (3, 1),
        3: (1, 1),
        4: (2, 0),
    }
    for slot, (k, e) in by_slot.items():
        assert (kept[:, slot].numpy() == rollouts[k].reward[:, e, 0]).all()


def test_all_segments_are_drawn_equally_often():
    replay = Replay("flat", 8, Windows(3))
    replay.add(made_up(np.random.default_rng(2), 4))
    units = replay.sample(40_000, np.random.default_rng(0))
    counts = np.bincount(units)
    assert len(counts) == 4 * (STEPS - 2)
    expected = len(units) / len(counts)
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert chi_square < 38.6  # 99.5 % point with 19 degrees of freedom
    whole = Replay("flat", 8, Windows(None))
    whole.add(made_up(np.random.default_rng(2), 4))
    assert set(whole.sample(100, np.random.default_rng(0))) == {0, 1, 2, 3}


def test_memory_profile_keeps_three_digits():
    rng = np.random.default_rng(3)
    rollout = made_up(rng, 2, "memory")
    for x in rollout.features:
        x.copy_(torch.from_numpy(rng.random(x.shape) * 5))
    replay = Replay("memory", 2, Windows(None))
    segments = replay.segments(replay.units(replay.add(rollout)))
    torch.testing.assert_close(segments.state, rollout.joint_features(), rtol=5e-4, atol=1e-6)


def test_stored_state_continues(tmp_path):
    rng = np.random.default_rng(4)
    rollouts = [made_up(rng, 2) for _ in range(4)]
    whole, first = Replay("flat", 5, Windows(1)), Replay("flat", 5, Windows(1))
    for rollout in rollouts:
        whole.add(rollout)
    first.add(rollouts[0])
    write_plain(tmp_path / "resume.pt", "resume file", {"replay": first.state()})
    second = Replay("flat", 5, Windows(1))
    second.load(read_plain(tmp_path / "resume.pt", "resume file")["replay"])
    for rollout in rollouts[1:]:
        second.add(rollout)
    assert second.added == whole.added
    for name, array in whole.content.items():
        assert (second.content[name] == array).all()


def test_an_empty_memory_can_be_stored():
    second = Replay("flat", 5, Windows(1))
    second.load(Replay("flat", 5, Windows(1)).state())
    assert second.episodes == 0


def test_only_what_is_filled_is_stored(tmp_path):
    replay = Replay("flat", 500, Windows(1))
    replay.add(made_up(np.random.default_rng(5), 2))
    write_plain(tmp_path / "resume.pt", "resume file", replay.state())
    two = Replay.required_bytes("flat", 2, STEPS)
    assert (tmp_path / "resume.pt").stat().st_size < 1.2 * two + 5000
    tensors = replay.state()["content"]
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors.values())
    assert tensors["features"].data_ptr() == replay.content["features"].ctypes.data


@pytest.mark.parametrize("profile", features.PROFILES)
def test_required_bytes_is_what_is_reserved(profile):
    replay = Replay(profile, 3, Windows(1))
    replay.add(made_up(np.random.default_rng(6), 1, profile))
    reserved = sum(array.nbytes for array in replay.content.values())
    assert reserved == Replay.required_bytes(profile, 3, STEPS)


def test_too_large_a_memory_is_refused_with_what_would_fit(monkeypatch):
    monkeypatch.setattr(replay_file, "available_bytes", lambda: 2**30)
    with pytest.raises(UsageError, match=r"replay: 5,000 episodes need 1\.. GiB") as caught:
        Replay("flat", 5000, Windows(1))
    fits = int(caught.value.remedy.split("replay=")[1].split(",")[0])
    assert Replay.required_bytes("flat", fits, 499) <= 2**30
    assert Replay.required_bytes("flat", fits + 1, 499) > 2**30
    Replay("flat", fits, Windows(1))


def test_available_memory_is_plausible():
    assert 2**26 < replay_file.available_bytes() < 2**50


def test_a_containers_limit_counts(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 1 kB\nMemAvailable:  2048 kB\n")
    assert replay_file.available_bytes(tmp_path) == 2**21
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000\n")
    assert replay_file.available_bytes(tmp_path) == 2**21
    (group / "memory.max").write_text("5000\n")
    assert replay_file.available_bytes(tmp_path) == 4000
