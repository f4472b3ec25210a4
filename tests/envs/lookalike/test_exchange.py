"""What a look-alike in another process gets of the engine's record."""

import numpy as np

from cagexplain.envs import BatchedEnv
from cagexplain.envs.lookalike import exchange
from cagexplain.policies.base import decide
from cagexplain.policies.registry import load_policy


def test_what_is_read_of_a_record_arrives() -> None:
    env, policy = BatchedEnv(1), load_policy("decoy_cycle")
    env.reset([5])
    policy.reset(np.array([5]))
    for _ in range(200):
        decision = decide(policy, env)
        env.step(decision.actions, decision.messages)
        record = env.state[0]
        content = exchange.content_of(record)
        received = exchange.record_of(content)
        for name in record.dtype.names:
            used = slice(int(record[count])) if (count := exchange._COUNTED.get(name)) else ...
            if name not in exchange._UNREAD:
                assert np.array_equal(received[name][used], record[name][used]), name
    assert record["proc_top"] > 100
    assert len(content) < 100_000  # sockets take 200,000 bytes and more at once
    received["step"] += 1  # it can be written to
