"""Speed of explaining decisions.

    python -m benchmarks.counterfactuals [--decisions N] [--policy POLICY] [--workers N]

Records some episodes, draws decisions at random (every valid kind of action is an alternative) and
times what `cagexplain explain` does with them: replaying the episodes, playing all alternatives on
and estimating their advantages, and finding the reasons (attributions and flips). CPU time is that
of all threads: on a machine that others use too, it tells more than the time on the wall. It
measures, and claims nothing.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, benchmark
from cagexplain.analysis.decisions import counterfactuals
from cagexplain.analysis.decisions.alternatives import alternatives, preferences
from cagexplain.analysis.decisions.attributions import attribute
from cagexplain.analysis.decisions.counterfactuals import HORIZON, ROLLOUTS, Question
from cagexplain.analysis.decisions.flips import flips
from cagexplain.analysis.decisions.replay import DecisionPlace, Record, moments
from cagexplain.common import machine
from cagexplain.common.errors import UsageError
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED, seed_range
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import open_trace

EPISODES: Final = 5


@benchmark(__doc__)
@click.option("--decisions", type=COUNT, default=20, show_default=True)
@click.option("--policy", "name", default="ippo_tuned", show_default=True)
@click.option("--episodes", type=COUNT, default=EPISODES, show_default=True)
@click.option("--rollouts", type=COUNT, default=ROLLOUTS, show_default=True)
@click.option("--horizon", type=COUNT, default=HORIZON, show_default=True)
@click.option("--workers", type=COUNT, help="Threads.  [default: all cores]")
def command(
    decisions: int, name: str, episodes: int, rollouts: int, horizon: int, workers: int | None
) -> Sequence[str]:
    """Measure how long explanations take."""
    torch.set_num_threads(1)
    threads = workers or machine.cores()
    policy = load_policy(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace"
        Recording(path, policy, seed_range(EVALUATION_SEED, episodes)).run()
        record = Record(open_trace(path), range(episodes))
    places = _drawn(record, decisions, horizon)

    table = Table(title=f"{decisions} decisions of {name}, {threads} threads")
    for column in ("", "s", "CPU s", "environment steps", "CPU µs per step"):
        table.add_column(column, justify="right" if column else "left")
    saved = _timed(table, "replay", lambda: moments(record, policy, places))
    questions = [Question(m, alternatives(m, preferences(m))) for m in saved]
    steps = sum(len(question.actions) for question in questions) * rollouts * horizon
    played = _timed(
        table,
        f"{rollouts} futures of {horizon} steps",
        lambda: counterfactuals.returns(
            questions, record.params, rollouts=rollouts, horizon=horizon, workers=threads
        ),
        steps,
    )
    pairs = list(zip(questions, played, strict=True))
    _timed(
        table,
        "intervals",
        lambda: [counterfactuals.outcomes(q, p, record.params, horizon) for q, p in pairs],
    )
    _timed(table, "attributions", lambda: [attribute(moment) for moment in saved])
    _timed(table, "flips", lambda: [flips(moment) for moment in saved])
    Console().print(table)
    return ()


def _drawn(record: Record, n: int, horizon: int) -> list[DecisionPlace]:
    """Decisions after which the whole horizon can be played."""
    possible = np.argwhere(record.started[:, : max(record.steps - horizon, 0)])
    if len(possible) < n:
        raise UsageError(
            f"{len(possible)} decisions have {horizon} further steps",
            field="--decisions",
            remedy="Ask for fewer, or for a shorter horizon",
        )
    chosen = np.random.default_rng(0).choice(len(possible), n, replace=False)
    return [DecisionPlace(*(int(i) for i in possible[c])) for c in chosen]


def _timed(table: Table, label: str, work: Callable[[], Any], steps: int = 0) -> Any:
    start, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    per_step = (f"{steps:,}", f"{used / steps * 1e6:.0f}") if steps else ("", "")
    table.add_row(label, f"{wall:.1f}", f"{used:.1f}", *per_step)
    return result


if __name__ == "__main__":
    command()
