"""`cagexplain lockstep`."""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.cc4 import observations
from cagexplain.cc4.agents import BLUE
from cagexplain.cc4.reds import REDS, STANDARD, RedTable
from cagexplain.cli import playing
from cagexplain.cli.options import FILE_TO_WRITE, Command, Unused, refuse
from cagexplain.common import terminal
from cagexplain.common.errors import UsageError

if TYPE_CHECKING:
    from cagexplain.fidelity.lockstep import FirstDifference, Job, JobOutcome

_MOST_SEEDS = 1_000_000
DIFFERENT = 3  # exit code: the simulators are not equal


def _seeds(ctx: click.Context, param: click.Parameter, value: str) -> list[int]:
    """Seeds such as 7, 0-99 or 0-9,20."""
    seeds: list[int] = []
    for part in value.split(","):
        bounds = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if bounds is None:
            raise click.BadParameter(
                f"'{part}' is no seed or range; write for example 0-99 or 3,5,10-19"
            )
        first, last = int(bounds[1]), int(bounds[2] or bounds[1])
        if not first <= last < first + _MOST_SEEDS:
            raise click.BadParameter(f"'{part}' is an empty or enormous range")
        seeds += range(first, last + 1)
    return seeds


_COMPARING: Final = (
    "policies",
    "old_policies",
    "seeds",
    "reds",
    "steps",
    "deterministic",
    "workers",
    "cyborg_path",
    "record",
    "output",
)
_UNUSED: Final = (
    Unused("with --list-probes", lambda options: options["list_probes"], (*_COMPARING, "replay")),
    Unused(
        "on recordings, which are of episodes that were played",
        lambda options: options["replay"] is not None,
        _COMPARING,
    ),
)


@click.command("lockstep", cls=Command, unused=_UNUSED)
@click.argument("policies", nargs=-1, metavar="[POLICY]...")
@click.option("--policy", "old_policies", multiple=True, hidden=True)
@click.option("--seeds", callback=_seeds, default="0-9", show_default=True, help="Episodes.")
@click.option(
    "--red",
    "reds",
    multiple=True,
    help="Attacker, a name or the file of a table; repeat for several.  [default: finite_state]",
    **playing.RED,
)
@click.option("--episode-length", "steps", **playing.LENGTH)
@click.option(
    "--deterministic/--stochastic",
    default=None,
    help="Whether a trained policy takes its likeliest actions or samples them.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: all cores]")
@click.option("--cyborg-path", **playing.CYBORG_PATH)
@click.option(
    "--record",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep recordings of the equal episodes in this folder, for --replay.",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, path_type=Path),
    help="Compare our simulator with this recording, or all in this folder; needs no CybORG.",
)
@click.option(
    "--json",
    "output",
    type=FILE_TO_WRITE,
    help="Write the outcome of every episode to this file.",
)
@playing.trust_options
@click.option("--list-probes", is_flag=True, help="List the probes and stop.")
def command(
    policies: tuple[str, ...],
    old_policies: tuple[str, ...],
    seeds: list[int],
    reds: tuple[RedTable, ...],
    steps: int,
    deterministic: bool | None,
    workers: int | None,
    cyborg_path: Path | None,
    record: Path | None,
    replay: Path | None,
    output: Path | None,
    list_probes: bool,
    **trust: Any,
) -> int:
    """Play both simulators with the same seeds and actions and compare them after every step.

    POLICY is a built-in policy, a checkpoint or a probe (see --list-probes); random if none is
    given. Every policy meets every attacker on every seed. Compared without tolerance: the whole
    state, observations, masks, rewards, what happened, and the random number generator. Exit code
    3: they differ.
    """
    from cagexplain.envs import EnvParams
    from cagexplain.fidelity.lockstep import Job
    from cagexplain.fidelity.probes import PROBES

    if list_probes:
        for name, probe in PROBES.items():
            click.echo(f"{name:16} {probe.summary}")
        return 0
    if replay is not None:
        return _replay(replay)
    policies = policies + old_policies or ("random",)
    rules, opening = True, playing.opening(**trust)
    for policy in policies:
        if policy not in PROBES:
            from cagexplain.policies.registry import load_policy

            rules &= (
                load_policy(policy, opening=opening).kind == "scripted"
            )  # complains before anything is played
    if rules:
        refuse(("deterministic",), "on policies that follow a rule of their own")
    if record is not None:
        record.mkdir(parents=True, exist_ok=True)
    jobs = [
        Job(
            policy,
            seed,
            EnvParams(steps=steps, red=red),
            deterministic,
            cyborg_path,
            record,
            opening,
        )
        for red, policy, seed in itertools.product(reds or (REDS[STANDARD],), policies, seeds)
    ]
    return _run(jobs, workers, output)


def _run(jobs: list[Job], workers: int | None, output: Path | None) -> int:
    from rich.progress import Progress

    from cagexplain.common.files import write_json
    from cagexplain.envs.cyborg.locate import load
    from cagexplain.fidelity.lockstep import run

    load(jobs[0].cyborg_path)  # an unusable CybORG is reported once, not by every worker
    outcomes: list[JobOutcome] = []
    console = terminal.console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("lockstep", total=len(jobs))
        try:
            for outcome in run(jobs, workers):
                outcomes.append(outcome)
                bar.advance(task)
                if output is not None:
                    write_json(output, _to_json(outcomes, len(jobs)))
                if outcome.difference is not None:
                    click.echo(_tell(outcome))
        finally:
            click.echo(_summary(outcomes, len(jobs)))
    return DIFFERENT if any(outcome.difference for outcome in outcomes) else 0


def _replay(path: Path) -> int:
    from cagexplain.fidelity.lockstep import replay
    from cagexplain.fidelity.recording import SUFFIX, read_recording

    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise UsageError(
            "holds no recordings", where=path, remedy=f"give a folder with *{SUFFIX} files"
        )
    different = 0
    for file in files:
        difference = replay(read_recording(file))
        if difference is not None:
            different += 1
            click.echo(f"{file.name}: {lines(difference)}")
    click.echo(f"{len(files) - different} of {len(files)} recorded episodes equal at every step")
    return DIFFERENT if different else 0


def lines(difference: FirstDifference) -> str:
    """A first difference as its report tells it."""
    width = 300
    more = len(difference.fields) - 1
    ours, theirs = _where(difference)
    lines = [
        f"first difference after {difference.step} steps"
        + (f", in {difference.fields[0]}" if not more else f", in {more + 1} entries:"),
        *(f"  {name}" for name in difference.fields[:20] if more),
        f"  {difference.fields[0]}, ours:   {str(ours)[:width]}",
        f"  {difference.fields[0]}, CybORG: {str(theirs)[:width]}",
        *(f"  {line}" for line in difference.draws),
    ]
    return "\n".join(lines)


def _where(difference: FirstDifference) -> tuple[Any, Any]:
    """The values; of long lists what differs, by index (and agent, in observations)."""
    ours, theirs = difference.ours, difference.theirs
    if not (isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs) > 9):
        return ours, theirs
    places = [k for k, (one, other) in enumerate(zip(ours, theirs, strict=True)) if one != other]
    named = {k: _agent(k) if difference.fields[0] == "obs" else str(k) for k in places}
    return {named[k]: ours[k] for k in places}, {named[k]: theirs[k] for k in places}


def _agent(k: int) -> str:
    """Agent and entry of its vector, given the place in the vectors side by side."""
    agent = max(a for a, offset in enumerate(observations.OFFSETS) if offset <= k)
    return f"{BLUE[agent]}[{k - observations.OFFSETS[agent]}]"


def _tell(outcome: JobOutcome) -> str:
    job = outcome.job
    assert outcome.difference is not None
    return f"{job.policy}, {job.params.red_name}, seed {job.seed}: {lines(outcome.difference)}"


def _summary(outcomes: list[JobOutcome], planned: int) -> str:
    groups: dict[tuple[str, str], list[JobOutcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[outcome.job.policy, outcome.job.params.red_name].append(outcome)
    lines = [
        f"{policy:24} {red:14} {sum(o.difference is None for o in group):5} of {len(group):5} "
        f"episodes equal, {sum(o.steps for o in group):9,} steps"
        for (policy, red), group in groups.items()
    ]
    equal = sum(outcome.difference is None for outcome in outcomes)
    lines.append(
        f"{equal} of {len(outcomes)} episodes equal at every step: "
        f"{sum(o.steps for o in outcomes):,} steps, {sum(o.entries for o in outcomes):,} entries"
    )
    if len(outcomes) < planned:
        lines.append(f"{planned - len(outcomes)} of {planned} episodes were not finished")
    return "\n".join(lines)


def _to_json(outcomes: list[JobOutcome], planned: int) -> dict[str, Any]:
    return {
        "planned": planned,
        "episodes": [
            {
                "policy": outcome.job.policy,
                "deterministic": outcome.job.deterministic,
                "seed": outcome.job.seed,
                "params": outcome.job.params.as_dict(),
                "steps": outcome.steps,
                "entries": outcome.entries,
                "return": outcome.returned,
                "difference": None
                if outcome.difference is None
                else json.loads(json.dumps(vars(outcome.difference), default=str)),
            }
            for outcome in outcomes
        ],
    }
