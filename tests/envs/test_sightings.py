"""Sightings: compiled from the engine's records as read from the raw observations."""

import numpy as np
import pytest

from cagexplain.cc4 import actions
from cagexplain.cc4.layout import SLOT_AGENT, SLOT_HOST, SLOT_START
from cagexplain.cc4.network import HOST_NAMES
from cagexplain.cc4.sightings import UNKNOWN, Reader, Sightings
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.registry import load_policy

N = 3


def _raw(env: BatchedEnv, e: int) -> list[dict]:
    return [env.raw_observation(e, agent) for agent in range(5)]


def _stacked(parts: list[Sightings]) -> Sightings:
    return Sightings(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


@pytest.mark.parametrize("red", ["finite_state", "discovery"])
def test_as_read_from_the_raw_observations(red: str) -> None:
    env = BatchedEnv(N, params=EnvParams(red=red))
    env.reset(range(N))
    readers = [Reader(_raw(env, e)) for e in range(N)]
    policy = load_policy("expert")
    policy.reset(np.arange(N))
    total = dict.fromkeys(Sightings._fields, 0)
    random = np.random.default_rng(0)
    for step in range(300):
        ours = env.sightings()
        theirs = _stacked([readers[e].read(_raw(env, e)) for e in range(N)])
        for name, here, there in zip(Sightings._fields, ours, theirs, strict=True):
            assert here.dtype == there.dtype
            assert np.array_equal(here, there), (name, step)
            total[name] += int((here > 0).sum())
        chosen = policy.act(env.obs, env.mask, env.free).actions
        if step % 3 == 0:  # Analyse and decoys where the rule would do something else
            chosen = random.integers(0, actions.SIZES, size=(N, 5))
        env.step(chosen)
    assert min(total.values()) > 0, total  # every kind of sighting was there


def test_a_reset_shows_nothing() -> None:
    env = BatchedEnv(1)
    env.reset([0])
    for here, nothing in zip(env.sightings(), Sightings.nothing(1), strict=True):
        assert np.array_equal(here, nothing)


def _slot(agent: int, place: int) -> tuple[int, str]:
    slot = int(SLOT_START[agent]) + place
    assert SLOT_AGENT[slot] == agent
    return slot, HOST_NAMES[SLOT_HOST[slot]]


def test_reading_tells_attacks_from_users() -> None:
    (here, name), (there, other) = _slot(0, 8), _slot(0, 9)
    first = [{"success": "UNKNOWN"} for _ in range(5)]
    for host, ip in ((name, "10.0.1.1"), (other, "10.0.1.2")):
        first[0][host] = {
            "Interface": [{"ip_address": ip}],
            "Processes": [{"PID": 7, "username": "u"}],
        }
    reader = Reader(first)
    assert not reader.read(first).exploited.any()

    def read(**connection: object) -> Sightings:
        entry = {"Processes": [{"Connections": [{"local_address": "10.0.1.1", **connection}]}]}
        step = [{"success": "IN_PROGRESS"} for _ in range(5)]
        step[0][name] = entry
        return reader.read(step)

    scan = read(local_port=22, remote_address="10.0.1.2", remote_port=50000)
    assert scan.scanned_by[0, here] == scan.attacked_by[0, here] == 1 << 9
    exploit = read(local_port=55000, remote_address="10.0.1.2", remote_port=50000)
    assert exploit.scanned_by[0, here] == 0 != exploit.attacked_by[0, here]
    assert read(local_port=22, remote_address="10.0.9.9", remote_port=50000).outside[0, here]
    path = read(remote_address="10.0.1.2", remote_port=22)
    assert path.attacked_by[0, here] == 1 << 9
    for innocent in (
        read(local_port=55000),
        read(remote_address="10.0.1.2", remote_port=8800),
        read(remote_address="10.0.1.2", remote_port=50000),
    ):
        assert not innocent.attacked_by.any()
        assert not innocent.outside.any()
    assert (scan.listed == UNKNOWN).all()
    assert there != here


SHOWN = {"step", "exists", "event_n", "events", "blue_done", "blue_decoy", "blue_files"}
"""Entries of a world's record that raw observations are made of, as far as sightings tell them."""


def test_nothing_of_the_truth_is_seen() -> None:
    """Worlds that differ in all but what blue is shown give the same sightings."""
    env = BatchedEnv(N)
    env.reset(range(N))
    policy = load_policy("expert")
    policy.reset(np.arange(N))
    before = env.sightings()
    while not before.attacked_by.any():
        env.step(policy.act(env.obs, env.mask, env.free).actions)
        before = env.sightings()
    random = np.random.default_rng(1)
    for name in set(env.state.dtype.names) - SHOWN:
        field = env.state[name].view()
        noise = random.bytes(field.nbytes)
        field[...] = np.frombuffer(noise, np.uint8).view(field.dtype).reshape(field.shape)
    for here, there in zip(before, env.sightings(), strict=True):
        assert np.array_equal(here, there)
