import numpy as np
import pytest

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.policies.learned import features
from cagexplain.policies.learned.features import Features

N = 2
FREE = np.ones((N, 5), np.bool_)
MASK = np.ones((N, actions.TOTAL), np.bool_)
SLEEP = np.tile(np.array(actions.SLEEP_INDEX), (N, 1))


def vectors():
    return np.zeros((N, observations.TOTAL), np.int8)


class Player:
    """Feeds a memory and reads entries of one host of one agent in environment 1."""

    def __init__(self, agent, host_position):
        self.agent, self.position = agent, host_position
        self.host = int(observations.HOSTS[agent][host_position])
        self.features = Features("memory", N)
        self.out = self.features.empty()

    def see(self, process=False, connection=False, free=True, mask=MASK):
        obs = vectors()
        start = observations.OFFSETS[self.agent]
        obs[1, start + observations.process_bit(self.agent, self.host)] = process
        obs[1, start + observations.connection_bit(self.agent, self.host)] = connection
        flags = FREE.copy()
        flags[1, self.agent] = free
        self.flags = flags
        self.features.observe(obs, mask, flags, self.out)
        member = self.agent if self.agent < 4 else 0
        row = self.out[self.agent // 4][member, 1].numpy()
        own = row[observations.SIZES[self.agent] :]
        hosts = len(observations.HOSTS[self.agent])
        names = ("exists", "alerted", "process", "connection", "staleness", "removed", "decoys")
        entries = {name: own[i * hosts + self.position] for i, name in enumerate(names)}
        return entries | {"clock": own[-1]}

    def do(self, kind=None):
        chosen = SLEEP.copy()
        if kind is not None:
            chosen[1, self.agent] = actions.index(self.agent, kind, host=self.host)
        self.features.acted(chosen, self.flags)


def test_flat_profile_is_the_official_vector():
    obs = np.random.default_rng(0).integers(0, 3, (N, observations.TOTAL)).astype(np.int8)
    flat = Features("flat", N)
    out = flat.empty()
    flat.observe(obs, MASK, FREE, out)
    assert features.sizes("flat") == observations.SIZES
    for agent in range(5):
        own = out[agent // 4][agent % 4].numpy()
        assert (own == obs[:, observations.slice_of(agent)]).all()


def test_memory_profile_keeps_the_vector_in_front():
    obs = np.random.default_rng(0).integers(0, 2, (N, observations.TOTAL)).astype(np.int8)
    memory = Features("memory", N)
    out = memory.empty()
    memory.observe(obs, MASK, FREE, out)
    for agent in range(5):
        own = out[agent // 4][agent % 4].numpy()
        assert own.shape == (N, features.sizes("memory")[agent])
        assert (own[:, : observations.SIZES[agent]] == obs[:, observations.slice_of(agent)]).all()


@pytest.mark.parametrize(("agent", "position"), [(0, 0), (2, 15), (4, 0), (4, 20), (4, 47)])
def test_alerts_are_remembered_until_the_host_is_restored(agent, position):
    player = Player(agent, position)
    assert player.see()["alerted"] == 0
    player.do()
    assert player.see(process=True, connection=True)["alerted"] == 1
    player.do()
    later = player.see()
    assert later["alerted"] == 1
    assert later["process"] == pytest.approx(0.9)
    assert later["connection"] == pytest.approx(0.95)
    assert later["staleness"] == pytest.approx(0.02)
    assert later["clock"] == pytest.approx(2 / 500)
    player.do(ActionKind.RESTORE)
    for _ in range(4):  # the Restore runs; nothing has happened yet as far as the agent can tell
        running = player.see(free=False)
        assert running["alerted"] == 1
        player.do()
    done = player.see()
    assert done["alerted"] == done["process"] == done["connection"] == done["staleness"] == 0
    assert done["clock"] == pytest.approx(7 / 500)


def test_an_alert_in_the_step_that_completes_a_restore_is_new():
    player = Player(1, 3)
    player.see()
    player.do(ActionKind.RESTORE)
    assert player.see(process=True)["alerted"] == 1


def test_a_busy_agents_submission_is_not_remembered():
    player = Player(1, 3)
    player.see(process=True)
    player.do()
    player.see(free=False)
    player.do(ActionKind.RESTORE)
    assert player.see()["alerted"] == 1


def test_removals_and_decoys_are_remembered():
    player = Player(3, 5)
    player.see(process=True)
    player.do(ActionKind.REMOVE)
    assert player.see()["removed"] == 1
    player.do(ActionKind.DECOY)
    seen = player.see()
    assert (seen["removed"], seen["decoys"]) == (1, pytest.approx(1 / 3))
    player.do(ActionKind.RESTORE)
    assert player.see()["decoys"] == 0
    player.do(ActionKind.REMOVE)
    assert player.see(process=True)["removed"] == 0  # an alert after the removal
    for _ in range(5):
        player.do(ActionKind.DECOY)
        seen = player.see()
    assert seen["decoys"] == 1  # at most


def test_existence_comes_from_the_mask():
    player = Player(0, 4)
    mask = MASK.copy()
    mask[1, actions.index(0, ActionKind.ANALYSE, host=player.host)] = False
    assert player.see(mask=mask)["exists"] == 0
    player.do()
    assert player.see()["exists"] == 1


def test_environments_and_agents_do_not_mix():
    player = Player(2, 7)
    player.see(process=True)
    empty = Player(2, 7)
    empty.see()
    a, b = player.out, empty.out
    assert (a[0][[0, 1, 3]] == b[0][[0, 1, 3]]).all()
    assert (a[0][2, 0] == b[0][2, 0]).all()
    assert (a[1] == b[1]).all()
    assert (a[0][2, 1] != b[0][2, 1]).sum() == 3  # the bit itself, alerted, process trace
