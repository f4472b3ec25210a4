"""Why the engine's fixed capacities are out of reach."""

from cagexplain.cc4 import agents, network, services
from cagexplain.sim import state


def _most_sessions(zones: tuple[int, ...]) -> int:
    """Sessions that can pile up in some zones: per host one by phishing (only while red holds
    nothing there) and one by its owner's exploit (a host is exploited again only after all of the
    owner's sessions on it are gone); on the first servers, one more from each foreign agent, to
    which the host is finished (F) after that."""
    hosts = len(zones) * (network.MAX_USERS + network.MAX_SERVERS)
    return 2 * hosts + len(zones) * (agents.N_RED - 1)


def test_sessions_fit() -> None:
    assert _most_sessions(tuple(range(network.N_REAL_ZONES))) < state.SESSIONS
    for zones in agents.RED_ZONES:
        assert _most_sessions(zones) < state.SESSIONS_PER_AGENT


def test_decoys_fit() -> None:
    """Five agents that do nothing but deploy decoys for a standard episode, and all sessions."""
    decoys = agents.N_BLUE * 500 // 2
    assert decoys + state.SESSIONS < state.PROCESSES


def test_events_of_a_step_fit() -> None:
    """All red agents scan the host on which its only defender deployed decoys for an episode."""
    decoys = 500 // 2
    scanned = agents.N_RED * (decoys + services.N_REAL + network.N_ZONES)
    assert scanned + network.N_REAL_ZONES * network.MAX_USERS < state.EVENTS


def test_suspicious_pids_fit() -> None:
    """At most one exploit in four steps from each red agent."""
    assert agents.N_RED * 500 // 4 < state.SUSPICIOUS
