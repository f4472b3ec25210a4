import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE_ZONES
from cagexplain.cc4.network import ADM, OFF, PAZ
from cagexplain.policies.learned import messages

SLEEP = np.array([actions.SLEEP_INDEX])
BITS = {"process": observations.process_bit, "connection": observations.connection_bit}


def vector(*alerts):
    """One environment's observations with (what, agent, position of the host) set."""
    obs = np.zeros((1, observations.TOTAL), np.int8)
    for what, agent, position in alerts:
        host = int(observations.HOSTS[agent][position])
        obs[0, observations.OFFSETS[agent] + BITS[what](agent, host)] = 1
    return obs


def sent(kind, *alerts, action=SLEEP):
    """Each agent's message as text."""
    bits = messages.encode(kind, vector(*alerts), action)
    assert bits.shape == (1, 5, 8) and bits.dtype == np.uint8
    return ["".join(map(str, message)) for message in bits[0]]


def test_none_sends_nothing():
    assert messages.encode("none", vector(), SLEEP) is None


def test_action_is_told_in_binary_most_significant_bit_first():
    action = np.array([[0, 1, 81, 49, 241]])
    assert sent("action", action=action) == [
        "00000000",
        "00000001",
        "01010001",
        "00110001",
        "11110001",
    ]


@given(st.tuples(*(st.integers(0, size - 1) for size in actions.SIZES)))
def test_every_action_can_be_read_back(chosen):
    bits = messages.encode("action", vector(), np.array([chosen]))[0]
    assert tuple(bits @ (1 << np.arange(7, -1, -1))) == chosen


def test_two_bits_tell_process_and_connection_of_the_own_zones():
    alerts = [("process", 0, 3), ("connection", 1, 15), ("process", 3, 0), ("connection", 3, 9)]
    nothing, both = "00000000", "11000000"
    assert sent("2bit", *alerts) == ["10000000", "01000000", nothing, both, nothing]
    for position in (0, 20, 47):  # any zone of agent 4 counts
        assert sent("2bit", ("process", 4, position))[4] == "10000000"
        assert sent("2bit", ("connection", 4, position))[4] == "01000000"


def test_eight_bits_count_hosts():
    alerts = [("process", 0, i) for i in range(5)] + [("connection", 0, 7)]
    alerts += [("process", 2, i) for i in range(15)]
    alerts += [("connection", 3, i) for i in range(16)]  # the most there can be
    nothing = "00000000"
    assert sent("8bit", *alerts) == ["01010001", nothing, "11110000", "00001111", nothing]


def test_eight_bits_of_agent_4_tell_its_zones():
    assert BLUE_ZONES[4] == (ADM, OFF, PAZ)
    adm, off, paz = 2, 16 + 2, 32 + 2
    for alerts, message in {
        (): "00000000",
        (("process", adm),): "11000000",
        (("process", off), ("process", off + 1)): "10100000",
        (("process", paz), ("connection", adm)): "10011100",
        (("connection", off), ("connection", paz)): "00001011",
    }.items():
        assert sent("8bit", *((what, 4, i) for what, i in alerts)) == ["00000000"] * 4 + [message]


@pytest.mark.parametrize("kind", ["2bit", "8bit"])
def test_nothing_but_alerts_is_told(kind):
    obs = np.ones((1, observations.TOTAL), np.int8)
    for agent, hosts in enumerate(observations.HOSTS):
        for bit in BITS.values():
            obs[0, [observations.OFFSETS[agent] + bit(agent, int(h)) for h in hosts]] = 0
    assert not messages.encode(kind, obs, SLEEP).any()


@pytest.mark.parametrize("kind", ["action", "2bit", "8bit"])
@given(seed=st.integers(0, 2**32 - 1))
def test_environments_are_told_apart(kind, seed):
    """A batch is encoded as its rows one at a time."""
    rng = np.random.default_rng(seed)
    obs = (rng.random((4, observations.TOTAL)) < 0.05).astype(np.int8)
    action = rng.integers(0, actions.SIZES, (4, 5))
    one_by_one = [messages.encode(kind, obs[i : i + 1], action[i : i + 1])[0] for i in range(4)]
    assert (messages.encode(kind, obs, action) == one_by_one).all()
