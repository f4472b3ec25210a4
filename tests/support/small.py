"""Small plays for tests of checks: written by hand, or played by policies of known behaviour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from cagexplain.audit.check import Check
from cagexplain.audit.judge import Tallies
from cagexplain.audit.profiles import Profile
from cagexplain.audit.references import References
from cagexplain.audit.results import Finding, Measured
from cagexplain.cc4 import actions, agents, network, observations
from cagexplain.cc4.actions import ActionKind
from cagexplain.envs import Engine, EnvParams
from cagexplain.facts.batch import batches, in_memory, run
from cagexplain.facts.cases import Cases
from cagexplain.facts.view import TABLES, Facts, View
from cagexplain.policies.base import Policy
from cagexplain.policies.rollout import play
from cagexplain.stats.estimates import MIN_EPISODES
from cagexplain.tracing.recorder import Recorder
from tests.support.planted import record
from tests.support.traces import write_trace

Row = dict[str, Any]
Place = tuple[int, int, int]
DECLARED = Profile("declared", "", {}, "")
ENOUGH: Final = MIN_EPISODES
"""Episodes to play for verdicts; fewer give none."""


def steps(n: int, episodes: int = 1, phase: int = 0) -> list[Row]:
    """Rows of the table `steps`, all in one phase."""
    return [{"episode": e, "step": t, "phase": phase} for e in range(episodes) for t in range(n)]


def blue(episode: int, step: int, kind: ActionKind, host: int, level: int = 0) -> list[Row]:
    """Rows of the table `blue` for an action on a host, which takes effect on a host of a level."""
    agent = agents.BLUE[agents.BLUE_OF_HOST[host]]
    name, target = actions.KIND_NAMES[kind], network.HOST_NAMES[host]
    begin = {"episode": episode, "step": step, "agent": agent, "started": True}
    end = {"completed": name, "completed_host": target, "completed_level": level}
    begin |= {"action_type": name, "target_host": target, "completed_level": -1}
    last = step + int(actions.DURATION[kind]) - 1
    busy = {"episode": episode, "step": last, "agent": agent, "action_type": "Sleep"}
    return [begin | end] if last == step else [begin, busy | end | {"outcome": "SUCCESS"}]


def service(
    episode: int,
    step: int,
    host: int,
    *,
    decoys: int = 0,
    reliability: int = 100,
    stopped: bool = False,
) -> Row:
    """A row of the table `services`."""
    return {
        **{"episode": episode, "step": step, "host": network.HOST_NAMES[host]},
        **{"decoys": decoys, "reliability": reliability, "stopped": stopped},
    }


def done(
    episode: int,
    step: int,
    action: int,
    host: int,
    outcome: str = "SUCCESS",
    *,
    detected: bool = False,
    source: int | None = None,
) -> Row:
    """A row of the table `red` for an action that comes due."""
    return {
        **{"episode": episode, "step": step, "agent": "red_agent_1", "event": "done"},
        **{"action": action, "target_host": network.HOST_NAMES[host], "outcome": outcome},
        "source_host": None if source is None else network.HOST_NAMES[source],
        "detected": detected,
    }


def by_hand(
    folder: Path,
    tables: Mapping[str, Sequence[Row]],
    *,
    process: Iterable[Place] = (),
    connection: Iterable[Place] = (),
) -> View:
    """A view of episodes that are written row by row; all hosts exist in them.

    Args:
        folder: for the trace.
        tables: rows, of which those of `steps` tell how many episodes there are.
        process, connection: row, step and host of the alerts shown.
    """
    episodes = {row["episode"] for row in tables["steps"]}
    hosts = [
        {"episode": e, "host": name, "kind": "user"}
        for e in sorted(episodes)
        for name in network.HOST_NAMES
    ]
    ordered = {
        name: sorted(rows, key=lambda row: (row["episode"], row["step"]))
        for name, rows in tables.items()
    }
    trace = write_trace(folder, [{"hosts": hosts, **ordered}])
    (batch,) = batches(trace, TABLES)
    for name, places in (("process", process), ("connection", connection)):
        shown = np.zeros((batch.n, batch.steps, network.N_HOSTS), dtype=np.bool_)
        for place in places:
            shown[place] = True
        vars(batch)[name] = shown  # what the recording would have had
    return View(batch, Facts())


class Recorded:
    """A short play in memory: its view, and its tables for recounts in plain Python."""

    def __init__(self, policy: Policy, episodes: int, length: int = 500, seed: int = 11) -> None:
        params = EnvParams(steps=length)
        env = Engine().make(episodes, params)
        recorder = Recorder()
        play(policy, env, np.arange(seed, seed + episodes), [recorder])
        env.close()
        tables = recorder.tables()
        (batch,) = in_memory(tables)
        self.view = View(batch, Facts())
        self.length = batch.steps
        self.episodes = episodes
        self.tables = {name: table.to_pandas() for name, table in tables.items()}

    def rows(self, name: str) -> list[Any]:
        """Rows of a table as tuples with names."""
        frame: pd.DataFrame = self.tables[name]
        return list(frame.itertuples())

    def alerts(self, bit: Any) -> set[tuple[int, int, str]]:
        """Episode, step and host of the alerts that the observations hold.

        Args:
            bit: `observations.process_bit` or `observations.connection_bit`.
        """
        found = set()
        for row in self.rows("observations"):
            agent = agents.BLUE.index(row.agent)
            bits = np.unpackbits(np.frombuffer(row.bits, dtype=np.uint8))
            for host in observations.HOSTS[agent]:
                if bits[bit(agent, int(host)) - 1]:  # the phase is kept apart
                    found.add((row.episode, row.step, network.HOST_NAMES[host]))
        return found

    def decisions(self) -> list[Any]:
        """Rows of the table `blue` that begin an action."""
        return [row for row in self.rows("blue") if row.started]


def as_set(found: Cases) -> set[tuple[int, int, int, bool]]:
    """Row, step, host and hit of cases, of which no two are alike."""
    columns = (found.row, found.step, found.host, found.hit)
    listed = [
        (int(row), int(step), int(host), bool(hit))
        for row, step, host, hit in zip(*columns, strict=True)
    ]
    assert len(set(listed)) == len(listed)
    return set(listed)


def finding(view: View, check: Check) -> Finding:
    """What a check says about a view, with the thresholds as they are declared."""
    tallies = Tallies([check], view.facts, DECLARED)
    tallies.add(view.batch)
    return tallies.findings(References((), {}, {}))[0]


def judged(
    folder: Path,
    policy: str | Policy,
    episodes: int,
    checks: Sequence[Check],
    *,
    length: int = 500,
    usual: float | None = None,
) -> dict[str, Finding]:
    """Findings about a policy, by id of the check, with the thresholds as they are declared.

    Args:
        folder: for the trace.
        policy: planted or built in.
        episodes, length: of the play.
        checks: to judge.
        usual: design effect of shares of which none or all cases are hits; None if unknown.
    """
    tallies = Tallies(checks, Facts(), DECLARED)
    run(record(folder, policy, episodes, steps=length), [tallies])
    deffs = {} if usual is None else {(c.id, m.key): usual for c in checks for m in c.measures}
    return {f.id: f for f in tallies.findings(References((), {}, deffs))}


def number(finding: Finding, key: str = "value") -> Measured:
    """One of a finding's numbers."""
    return next(measure for measure in finding.measures if measure.key == key)
