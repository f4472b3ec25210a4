"""The tables of actions, agent slots and links against the layouts that they are made of."""

import numpy as np
import pytest

from cagexplain.cc4 import actions, layout, network, observations, phases, reward
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST, BLUE_ZONES, N_BLUE


def test_every_host_that_blue_defends_has_one_agent_slot() -> None:
    defended = (BLUE_OF_HOST >= 0) & np.isin(network.HOST_KIND, (network.USER, network.SERVER))
    assert sorted(layout.SLOT_HOST.tolist()) == np.flatnonzero(defended).tolist()
    assert (BLUE_OF_HOST[layout.SLOT_HOST] == layout.SLOT_AGENT).all()
    assert (network.HOST_ZONE[layout.SLOT_HOST] == layout.SLOT_ZONE).all()
    assert (layout.SLOT_OF_HOST[layout.SLOT_HOST] == np.arange(layout.N_SLOTS)).all()
    assert (layout.SLOT_OF_HOST >= 0).sum() == layout.N_SLOTS == 112
    assert (layout.SLOT_IS_SERVER != layout.SLOT_IS_USER).all()


def test_every_agent_has_a_link_from_each_other_zone_into_each_of_its_own() -> None:
    links = zip(layout.LINK_AGENT, layout.LINK_TO, layout.LINK_FROM, strict=True)
    wanted = {
        (agent, to, frm)
        for agent, zones in enumerate(BLUE_ZONES)
        for to in zones
        for frm in range(network.N_ZONES)
        if frm != to
    }
    assert {(int(a), int(t), int(f)) for a, t, f in links} == wanted
    assert layout.N_LINKS == len(wanted) == 56


def test_slots_and_links_of_an_agent_lie_side_by_side() -> None:
    for start, owner in (
        (layout.SLOT_START, layout.SLOT_AGENT),
        (layout.LINK_START, layout.LINK_AGENT),
    ):
        for agent in range(N_BLUE):
            assert (owner[start[agent] : start[agent + 1]] == agent).all()
        assert (start[0], start[-1]) == (0, len(owner))


@pytest.mark.parametrize("agent", range(N_BLUE))
def test_every_action_is_found_by_its_position(agent: int) -> None:
    for index in range(actions.SIZES[agent]):
        position = index + layout.OFFSETS[agent]
        kind = ActionKind(int(layout.ACTION_TYPE[position]))
        slot, link = int(layout.ACTION_SLOT[position]), int(layout.ACTION_LINK[position])
        assert layout.ACTION_AGENT[position] == agent
        target = {
            "host": int(layout.SLOT_HOST[slot]) if slot >= 0 else -1,
            "to_zone": int(layout.LINK_TO[link]) if link >= 0 else -1,
            "from_zone": int(layout.LINK_FROM[link]) if link >= 0 else -1,
        }
        assert actions.index(agent, kind, **target) == index
        ends = layout.ACTION_HOST, layout.ACTION_TO, layout.ACTION_FROM
        assert [int(table[position]) for table in ends] == list(target.values())
        if slot >= 0:
            assert layout.ON_SLOT[kind][slot] == position
        if link >= 0:
            assert layout.ON_LINK[kind][link] == position
    assert layout.SLEEP[agent] == layout.OFFSETS[agent] + actions.SLEEP_INDEX[agent]


def test_entries_of_the_observation() -> None:
    for slot, (agent, host) in enumerate(zip(layout.SLOT_AGENT, layout.SLOT_HOST, strict=True)):
        start = observations.OFFSETS[agent]
        assert layout.PROCESS[slot] == start + observations.process_bit(agent, int(host))
        assert layout.CONNECTION[slot] == start + observations.connection_bit(agent, int(host))
    for link in range(layout.N_LINKS):
        agent = int(layout.LINK_AGENT[link])
        ends = int(layout.LINK_TO[link]), int(layout.LINK_FROM[link])
        start = observations.OFFSETS[agent]
        assert layout.BLOCKED[link] == start + observations.blocked_bit(agent, *ends)
        assert layout.PROHIBITED[link] == start + observations.policy_bit(agent, *ends)
    entries = np.arange(observations.TOTAL)
    for agent in range(N_BLUE):
        vector = entries[observations.slice_of(agent)]
        assert layout.PHASE[agent] == vector[observations.PHASE]
        heard = vector[observations.message_slice(agent)]
        assert layout.MESSAGES[agent].tolist() == heard.tolist()


def test_three_meanings_of_a_mission_zone() -> None:
    """A mission has two zones; one of them is its operation, and only there failures cost ten."""
    for phase in range(phases.N_PHASES):
        running = int(phases.RUNNING_OPERATION[phase])
        critical = np.flatnonzero(reward.CRITICAL_ZONES[phase]).tolist()
        zones = np.flatnonzero(phases.MISSION_ZONES[phase]).tolist()
        if phase == 0:
            assert (running, critical, zones) == (network.INT, [network.CON], [])
        else:
            assert critical == [running]
            assert len(zones) == 2
            assert running in zones
            assert phases.COMING_OPERATION[phase - 1] == running


def test_servers_outweigh_users_of_their_zone_and_no_more() -> None:
    for phase in range(phases.N_PHASES):
        for host in layout.SLOT_HOST.tolist():
            cost = -int(reward.TABLE[phase, network.HOST_ZONE[host]].sum())
            is_server = bool(network.HOST_KIND[host] == network.SERVER)
            assert reward.ZONE_WEIGHT[phase, network.HOST_ZONE[host]] == cost
            assert reward.HOST_WEIGHT[phase, host] == 2 * cost + is_server
