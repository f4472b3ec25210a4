import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cagexplain.cc4 import agents, network
from cagexplain.cc4.red_fsm import State
from cagexplain.tracing.host_states import host_states, zone_states

TABLES = hnp.arrays(np.int8, (2, 6, 137), elements=st.integers(0, 9), fill=st.just(0))


def test_the_zone_red_agent_decides_and_others_only_as_long_as_it_knows_nothing() -> None:
    host = network.server(network.RZA)  # the zone of red_agent_1
    tables = np.zeros((1, 6, 137), dtype=np.int8)
    assert host_states(tables)[0, host] == State.UNKNOWN
    tables[0, 0, host] = State.F
    assert host_states(tables)[0, host] == State.F
    tables[0, 5, host] = State.SD
    assert host_states(tables)[0, host] == State.SD
    tables[0, 1, host] = State.K
    assert host_states(tables)[0, host] == State.K


@given(TABLES)
def test_host_states_follow_the_definition(tables: np.ndarray) -> None:
    found = host_states(tables)
    for e in range(2):
        for host in range(137):
            owner = agents.RED_OF_ZONE[network.zone_of(host)]
            own = tables[e, owner, host] if owner >= 0 else State.UNKNOWN
            expected = own if own != State.UNKNOWN else max(tables[e, :, host])
            assert found[e, host] == expected


@given(TABLES)
def test_zone_states_are_the_worst_of_the_agents_hosts(tables: np.ndarray) -> None:
    states = host_states(tables)
    found = zone_states(states)
    for agent, zones in enumerate(agents.BLUE_ZONES):
        hosts = [host for host in range(137) if network.zone_of(host) in zones]
        np.testing.assert_array_equal(found[:, agent], states[:, hosts].max(axis=1))
