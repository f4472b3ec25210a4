"""The rules as data: layouts against the published tables, and inner consistency."""

import numpy as np
import pytest

from cagexplain.cc4 import actions, agents, network, observations, phases, reward, services
from cagexplain.cc4.actions import ActionKind


def test_action_layout_of_the_small_agents() -> None:
    """interface of BlueFlatWrapper: groups of the 82 actions and agent 1's traffic sources."""
    kinds = actions.KIND[1].tolist()
    assert [kinds.index(kind) for kind in range(8)] == [0, 16, 17, 33, 49, 50, 58, 66]
    assert actions.label(1, 17) == "Remove operational_zone_a_subnet_server_host_0"
    assert actions.label(1, 81) == "DeployDecoy operational_zone_a_subnet_user_host_9"
    assert actions.label(1, 1, exists=False).startswith("[Invalid] Analyse")
    sources = [network.ZONE_SHORT[z] for z in actions.FROM_ZONE[1][50:58]]
    assert sources == ["ADM", "CON", "INT", "OFF", "OZB", "PAZ", "RZA", "RZB"]


def test_action_layout_of_agent_4() -> None:
    kinds = actions.KIND[4].tolist()
    assert [kinds.index(kind) for kind in range(8)] == [0, 48, 49, 97, 145, 146, 170, 194]
    targets = [network.ZONE_SHORT[z] for z in actions.TO_ZONE[4][[146, 154, 162]]]
    assert targets == ["ADM", "OFF", "PAZ"]
    assert network.ZONE_SHORT[actions.FROM_ZONE[4][162]] == "ADM"
    assert actions.HOST[4][241] == network.user(network.PAZ, 9)


@pytest.mark.parametrize("agent", range(5))
def test_index_inverts_the_layout(agent: int) -> None:
    for i in range(actions.SIZES[agent]):
        assert i == actions.index(
            agent,
            ActionKind(int(actions.KIND[agent][i])),
            host=int(actions.HOST[agent][i]),
            to_zone=int(actions.TO_ZONE[agent][i]),
            from_zone=int(actions.FROM_ZONE[agent][i]),
        )


def test_labels_quote_the_subnets() -> None:
    cidr = tuple(f"10.0.{zone}.0/24" for zone in range(9))
    assert actions.label(1, 58, cidr=cidr) == (
        "BlockTrafficZone operational_zone_a_subnet (10.0.1.0/24)"
        " <- admin_network_subnet (10.0.6.0/24)"
    )


def test_observation_layout() -> None:
    assert observations.SIZES == (92, 92, 92, 92, 210)
    assert observations.process_bit(1, network.server(network.OZA)) == 28
    assert observations.connection_bit(1, network.user(network.OZA, 3)) == 53
    assert observations.process_bit(4, network.server(network.OFF)) == 87
    assert observations.connection_bit(4, network.user(network.PAZ, 9)) == 177
    assert observations.blocked_bit(1, network.OZA, network.ADM) == 10
    assert observations.policy_bit(4, network.PAZ, network.RZB) == 145
    assert observations.message_slice(0) == slice(60, 92)
    assert observations.message_slice(4) == slice(178, 210)


def test_phases() -> None:
    assert phases.lengths(500) == (167, 167, 166)
    assert phases.lengths(100) == (34, 33, 33)
    assert phases.lengths(2) == (1, 1, 0)
    assert [phases.of_step(t, 10) for t in range(9)] == [0, 0, 0, 0, 1, 1, 1, 2, 2]


def test_comms_policy_table() -> None:
    """Rows as shown to blue, columns alphabetical."""

    def row(phase: int, zone: int) -> str:
        return "".join(str(b) for b in phases.COMMS_POLICY[phase, zone, list(network.ALPHABETICAL)])

    assert row(0, network.ADM) == "100011000"
    assert row(1, network.RZA) == "011011011"
    assert row(2, network.RZB) == "011011011"
    assert row(0, network.OZA) == "111111101"
    assert row(1, network.OZA) == "111111111"
    assert (np.diagonal(phases.COMMS_POLICY, axis1=1, axis2=2) == 1).all()
    assert (phases.COMMS_POLICY.transpose(0, 2, 1) == phases.COMMS_POLICY).all()


def test_green_never_needs_what_the_policy_forbids() -> None:
    forbidden = phases.COMMS_POLICY.astype(bool) & ~np.eye(9, dtype=bool)
    assert not (phases.GREEN_REACH & forbidden).any()


def test_paths_are_those_of_the_tree() -> None:
    path = network.ROUTER_PATH[network.OZA, network.OFF]
    expected = [network.OZA, network.RZA, network.INT, network.PAZ, network.OFF]
    assert path[path >= 0].tolist() == expected
    assert network.ROUTER_PATH[3, 3, 0] == 3
    lengths = (network.ROUTER_PATH >= 0).sum(axis=2)
    assert (lengths == lengths.T).all()


def test_every_zone_has_the_agents_of_the_table() -> None:
    assert agents.BLUE_OF_ZONE.tolist() == [0, 1, 2, 3, -1, 4, 4, 4, -1]
    assert agents.RED_OF_ZONE.tolist() == [1, 2, 3, 4, 0, 5, 5, 5, -1]


def test_rewards_of_the_missions() -> None:
    assert reward.TABLE[1, network.OZA].tolist() == [-10, 0, -10]
    assert reward.TABLE[2, network.OZB].tolist() == [-10, 0, -10]
    assert reward.TABLE[0, network.CON].tolist() == [0, -5, -5]
    assert (reward.TABLE <= 0).all()


def test_host_names_and_slots() -> None:
    assert network.host_name(network.server(network.ADM, 5)).endswith("server_host_5")
    for host, name in enumerate(network.HOST_NAMES):
        assert network.host_index(name) == host
    assert int((network.HOST_KIND == network.ROUTER).sum()) == 8
    assert len(set(services.PORT_BITS.values())) == len(services.PORT_BITS)
