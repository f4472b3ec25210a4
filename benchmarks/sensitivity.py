"""Whether the comparison with CybORG notices a wrong rule.

    python -m benchmarks.sensitivity RECORDINGS... [--episodes 5] [--only NAME] [--json FILE]

Breaks one rule of the engine at a time, in a copy of the sources, and replays the same few
recordings of CybORG's episodes until one differs. First comes the control, the engine as it is: if
it differs from any, or if a replay of it fails, nothing can be measured. A broken rule is noticed
by a difference only, not by an error that ends the replay. The claim is that all are noticed but
those in `UNNOTICED`.

Not listed, since nothing can show them: that a handed-over session forgets port knowledge (only
sessions made in the same step are handed over, and they know nothing yet), and which held host of
its own zone a phishing mail comes from (all of them belong to the owner of the zone).
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from benchmarks.command import COUNT, FILE, CannotMeasure, benchmark
from benchmarks.engine_copy import (
    PACKAGE,
    Died,
    EngineCopy,
    Replayed,
    engine_copy,
    recordings,
    replay_file,
)
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import write_json
from cagexplain.fidelity.probes import PROBES
from cagexplain.fidelity.recording import SUFFIX
from cagexplain.sim.params import EnvParams

EPISODES: Final = 5
DIVERSE: Final = (*PROBES, "random")
"""Policies whose recordings are taken first: they do what sensible play avoids."""
UNNOTICED: Final = frozenset({"file_order"})
"""Mutations that the first five recordings do not show."""
_SECONDS: Final = 1800
"""A broken rule can make the engine run for ever."""


@dataclass(frozen=True)
class Mutation:
    """A broken rule.

    Attributes:
        name: for ``--only``.
        rule: that it breaks, in words.
        file: inside the package.
        old, new: texts; the old one occurs exactly once.
    """

    name: str
    rule: str
    file: str
    old: str
    new: str

    def applied(self, source: str) -> str:
        """The source with the rule broken.

        Raises:
            CagexplainError: the old text is not there exactly once.
        """
        count = source.count(self.old)
        if count != 1:
            raise CagexplainError(
                f"the text to replace occurs {count} times, not once",
                where=self.file,
                field=self.name,
                remedy="Bring the table in benchmarks/sensitivity.py up to date",
            )
        return source.replace(self.old, self.new)


UNCHANGED: Final = Mutation(
    "none", "the engine as it is", "sim/step.py", "@entry\ndef step_", "@entry\ndef step_"
)
_RATES, _FSM_TABLES = "cc4/rates.py", "cc4/red_fsm.py"
_SERVICES, _REWARDS = "cc4/services.py", "cc4/reward.py"
_BLUE, _RED, _FSM, _GREEN = "sim/blue.py", "sim/red.py", "sim/fsm.py", "sim/green.py"
_HOSTS, _SESSIONS, _STEP, _WORLD = "sim/hosts.py", "sim/sessions.py", "sim/step.py", "sim/world.py"

MUTATIONS: Final = (
    # --- probabilities ---
    Mutation(
        "aggressive_detection",
        "an aggressive scan is detected in 75 % of cases, not 70 %",
        _RATES,
        "AGGRESSIVE_DETECTION: Final = 0.75",
        "AGGRESSIVE_DETECTION: Final = 0.70",
    ),
    Mutation(
        "phishing",
        "1 % of successful local work opens a mail, not 1.2 %",
        _RATES,
        "PHISHING: Final = 0.01",
        "PHISHING: Final = 0.012",
    ),
    Mutation(
        "green_false_positive",
        "1 % of successful green actions raise an alert, not 0.9 %",
        _RATES,
        "GREEN_FALSE_POSITIVE: Final = 0.01",
        "GREEN_FALSE_POSITIVE: Final = 0.009",
    ),
    Mutation(
        "deception_false_positive",
        "10 % of genuine processes are taken for decoys, not 12 %",
        _RATES,
        "DECEPTION_FALSE_POSITIVE: Final = 0.1",
        "DECEPTION_FALSE_POSITIVE: Final = 0.12",
    ),
    Mutation(
        "exploit_detection",
        "exploits are detected in 95 % of cases, not 94 %",
        _RATES,
        "EXPLOIT_DETECTION: Final = 0.95",
        "EXPLOIT_DETECTION: Final = 0.94",
    ),
    # --- durations ---
    Mutation(
        "red_duration",
        "an exploit takes 4 steps, not 3",
        _FSM_TABLES,
        "np.array([1, 1, 3, 2, 4, 2, 2, 2, 1]",
        "np.array([1, 1, 3, 2, 3, 2, 2, 2, 1]",
    ),
    Mutation(
        "blue_duration",
        "Remove takes 3 steps, not 2",
        "cc4/actions.py",
        "np.array([2, 1, 3, 5, 1, 1, 1, 2]",
        "np.array([2, 1, 2, 5, 1, 1, 1, 2]",
    ),
    Mutation(
        "phase_boundary",
        "a phase begins with its first step, not one later",
        _STEP,
        "s.step >= prm.phase_end[s.phase]",
        "s.step > prm.phase_end[s.phase]",
    ),
    # --- tables ---
    Mutation(
        "reward_entry",
        "an access from restricted zone A costs 1 in mission A, not 2",
        _REWARDS,
        "RZA: ((-1, -3, -1), (-2, -1, -3), (-1, -3, -3))",
        "RZA: ((-1, -3, -1), (-2, -2, -3), (-1, -3, -3))",
    ),
    Mutation(
        "fsm_table",
        "a scanned host stays S after DiscoverDeception, not SD",
        _FSM_TABLES,
        'State.S: "SD - - S U - - - -"',
        'State.S: "SD - - SD U - - - -"',
    ),
    Mutation(
        "action_table",
        "in state S red exploits with probability 1/2, not 0.49",
        "cc4/reds.py",
        "_S: {_SWEEP: 0.25, _PROBE: 0.25, _EXPLOIT: 0.5}",
        "_S: {_SWEEP: 0.25, _PROBE: 0.26, _EXPLOIT: 0.49}",
    ),
    Mutation(
        "green_reach",
        "contractors do not reach restricted zone A in mission A",
        "cc4/phases.py",
        "CON: (*_HQ, RZB),",
        "CON: (*_HQ, RZA, RZB),",
    ),
    Mutation(
        "degrade_step",
        "DegradeServices takes 20 points of reliability, not 25",
        _SERVICES,
        "DEGRADE_STEP: Final = 20",
        "DEGRADE_STEP: Final = 25",
    ),
    Mutation(
        "pid_increment",
        "a new pid is the largest plus 1 to 9, not 1 to 10",
        _SERVICES,
        "MAX_PID_INCREMENT: Final = 9",
        "MAX_PID_INCREMENT: Final = 10",
    ),
    # --- reward ---
    Mutation(
        "restore_payer",
        "a busy agent pays for a Restore too",
        _BLUE,
        "-RESTORE_COST if restores else 0",
        "-RESTORE_COST if restores and s.blue_action[agent] < 0 else 0",
    ),
    Mutation(
        "impact_failed",
        "an Impact is charged even if it failed",
        "sim/reward.py",
        "if s.red_done[agent] == _IMPACT and",
        "if s.red_done[agent] == _IMPACT and s.red_outcome[agent] == 1 and",
    ),
    Mutation(
        "access_payer",
        "a blocked access is charged to the user's zone, not the server's",
        _GREEN,
        "s.reward_parts[ASF, zone] += TABLE[s.phase, zone, ASF]",
        "s.reward_parts[ASF, other] += TABLE[s.phase, other, ASF]",
    ),
    # --- blue ---
    Mutation(
        "remove_root",
        "Remove spares root sessions",
        _BLUE,
        "if not s.ses[s.proc_session[node]].root:",
        "if True:",
    ),
    Mutation(
        "restore_files",
        "Restore deletes red's files",
        _BLUE,
        "    s.file_count[host, 0] = 0\n    s.file_count[host, 1] = 0\n",
        "",
    ),
    Mutation(
        "orphaned_decoy",
        "a decoy process that lost its service does not come back after Remove",
        _BLUE,
        "if serves:",
        "if True:",
    ),
    Mutation(
        "blue_first",
        "blue acts before green",
        _STEP,
        "    blue.act(s)\n    green.act(s, prm)\n",
        "    green.act(s, prm)\n    blue.act(s)\n",
    ),
    # --- red ---
    Mutation(
        "decoy_alert",
        "a scan's event from a decoy is certain",
        _RED,
        "        if kind != RED_SESSION:\n            port = ",
        "        if kind != RED_SESSION and detected:\n            port = ",
    ),
    Mutation(
        "block_direction",
        "a block stops traffic in one direction",
        _RED,
        "return s.blocks[zone, source_zone] != 0",
        "return s.blocks[source_zone, zone] != 0",
    ),
    Mutation(
        "block_both_ways",
        "a block lets the other direction through",
        _RED,
        "return s.blocks[zone, source_zone] != 0",
        "return s.blocks[zone, source_zone] != 0 or s.blocks[source_zone, zone] != 0",
    ),
    Mutation(
        "heaviest_exploit",
        "of several exploits the heaviest is never taken",
        _RED,
        "if exploit != heaviest and _option(ports, exploit):",
        "if _option(ports, exploit):",
    ),
    Mutation(
        "unused_draw",
        "a choice between exploits draws a number that nobody uses",
        _RED,
        "    rng.uniform(s.rng)  # drawn and not used by the original\n",
        "",
    ),
    Mutation(
        "brute_force_path",
        "the routers on the way notice a brute force",
        _RED,
        "while k < N_ZONES and ROUTER_PATH[from_zone, zone, k] >= 0:",
        "while k < 0 and ROUTER_PATH[from_zone, zone, k] >= 0:",
    ),
    Mutation(
        "escalate_draw",
        "PrivilegeEscalate draws its session before it asks for the source",
        _RED,
        "        pick = rng.below(s.rng, n)\n"
        "        if source < 0 or not s.ses[source].abstract:\n"
        "            return False\n",
        "        if source < 0 or not s.ses[source].abstract:\n"
        "            return False\n"
        "        pick = rng.below(s.rng, n)\n",
    ),
    Mutation(
        "session_lost",
        "a host whose session is lost becomes KD",
        _FSM,
        "_move(s, agent, host, _KD, SESSION_LOST)",
        "pass",
    ),
    Mutation(
        "shuffle_length",
        "dropped actions are not shuffled",
        _STEP,
        "N_BLUE + s.n_green + N_RED - n_dropped",
        "N_BLUE + s.n_green + N_RED",
    ),
    # --- green ---
    Mutation(
        "reliability",
        "work succeeds if a number from 0 to 99 is below the reliability",
        _GREEN,
        "rng.below(s.rng, _PERCENT) >= s.svc_reliability",
        "rng.below(s.rng, _PERCENT) > s.svc_reliability",
    ),
    Mutation(
        "access_blocked",
        "a block in either direction stops green",
        _GREEN,
        "if s.blocks[zone, other] or s.blocks[other, zone]:",
        "if s.blocks[other, zone]:",
    ),
    Mutation(
        "phishing_sender",
        "a sender is drawn only if no host of the zone is held",
        _GREEN,
        "    if sender < 0:\n",
        "    if True:\n",
    ),
    # --- hosts and sessions ---
    Mutation(
        "ephemeral_port",
        "a used ephemeral port is drawn again once, not until it is new",
        _HOSTS,
        "    if used[port >> 6] >> np.uint64(port & 63) & _ONE:",
        "    while used[port >> 6] >> np.uint64(port & 63) & _ONE:",
    ),
    Mutation(
        "file_order",
        "Analyse lists the kind of file last that was left last",
        _HOSTS,
        "    s.file_newest[host] = file\n",
        "    s.file_newest[host] = 1\n",
    ),
    Mutation(
        "monitor",
        "the pid of an exploit's session is in its event",
        _HOSTS,
        "_log(s, _EXPLOIT_SESSION, host, source, pid, port, -1, 1)",
        "_log(s, _EXPLOIT_SESSION, host, source, -1, port, -1, 1)",
    ),
    Mutation(
        "session_zero",
        "the session that becomes number 0 is drawn",
        _SESSIONS,
        "slot = s.map_slot[rng.below(s.rng, s.map_n[agent]), agent]",
        "slot = s.map_slot[0, agent]",
    ),
    # --- world ---
    Mutation(
        "address_block",
        "a subnet's block is one of 256, not of 255",
        "cc4/network.py",
        "N_CIDR_BLOCKS: Final = 256",
        "N_CIDR_BLOCKS: Final = 255",
    ),
    Mutation(
        "operating_system",
        "the first operating system of the list is the one that a 0 stands for",
        _WORLD,
        "s.os[host] = rng.below(s.rng, _N_OS)",
        "s.os[host] = _N_OS - 1 - rng.below(s.rng, _N_OS)",
    ),
    # --- what blue sees ---
    Mutation(
        "message_bits",
        "messages arrive with their bits in order",
        "sim/observe.py",
        "s.messages[sender, bit]",
        "s.messages[sender, MESSAGE_BITS - 1 - bit]",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """What became of a mutation.

    Attributes:
        name: the mutation's.
        caught: whether a replay differed.
        episode: number of the last replay, from 1.
        recording: of that replay.
        step: at which it differed.
        differs: entry that differs.
        error: that ended the replay before anything differed.
    """

    name: str
    caught: bool
    episode: int
    recording: str
    step: int | None
    differs: str | None
    error: str | None


def chosen(paths: Sequence[Path], n: int) -> list[Path]:
    """A few different recordings, the same for every mutation: policies in turn, the odd ones
    first, and of each the longest, with the red variant that is still rare, the official first."""
    waiting: dict[str, dict[Path, tuple[int, str]]] = {}
    for path in paths:
        parts = path.name.removesuffix(SUFFIX).rsplit("-", 3)
        if len(parts) != 4 or not parts[2].isdecimal():
            raise UsageError(
                "the name of a recording is POLICY-RED-STEPS-SEED",
                where=path,
                remedy="Give recordings as 'cagexplain lockstep --record' has named them",
            )
        policy, red, steps, _seed = parts
        waiting.setdefault(policy, {})[path] = int(steps), red
    order = sorted(waiting, key=lambda name: (*DIVERSE, name).index(name))
    reds: list[str] = []
    taken: list[Path] = []
    for policy in order * n:
        if len(taken) < n and waiting[policy]:
            path = min(waiting[policy], key=lambda path: _rank(*waiting[policy][path], reds))
            reds.append(waiting[policy].pop(path)[1])
            taken.append(path)
    return taken


def _rank(steps: int, red: str, taken: Sequence[str]) -> tuple[int, int, bool]:
    return -steps, taken.count(red), red != EnvParams().red


def replay_until_different(paths: Sequence[str]) -> None:
    """Inside the copy: replay recordings up to the first that differs; prints how each compared."""
    for path in paths:
        replayed = replay_file(Path(path))
        print(json.dumps(dataclasses.asdict(replayed)), flush=True)
        if not replayed.equal:
            return


def judge(copy: EngineCopy, mutation: Mutation, paths: Sequence[Path]) -> Verdict:
    """Replay recordings in a copy of the engine while a rule is broken."""
    source = mutation.applied((copy.package / mutation.file).read_text())
    replays: list[Replayed] = []
    with copy.changed(mutation.file, source):
        task = "benchmarks.sensitivity:replay_until_different"
        try:
            for line in copy.run(task, [str(path) for path in paths], seconds=_SECONDS):
                replays.append(Replayed(**line))
        except Died as death:
            if death.killed:
                raise
            replays.append(Replayed(paths[len(replays)].name, error=str(death)))
    last = replays[-1]
    caught = last.step is not None
    return Verdict(mutation.name, caught, len(replays), **dataclasses.asdict(last))


def _line(mutation: Mutation, verdict: Verdict) -> tuple[str, ...]:
    return (
        verdict.name,
        mutation.rule,
        "yes" if verdict.caught else "no",
        str(verdict.episode),
        "" if verdict.step is None else str(verdict.step),
        verdict.differs or verdict.error or "",
    )


def _check_all(mutations: Iterable[Mutation]) -> None:
    for mutation in mutations:
        mutation.applied((PACKAGE / mutation.file).read_text())


@benchmark(__doc__)
@click.argument(
    "places", metavar="RECORDINGS...", nargs=-1, required=True, type=click.Path(exists=True)
)
@click.option(
    "--episodes", type=COUNT, default=EPISODES, show_default=True, help="Replay at most so many."
)
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice([mutation.name for mutation in MUTATIONS]),
    metavar="NAME",
    help="This mutation; repeatable.  [default: all]",
)
@click.option("--json", "out", type=FILE, help="Write the table there as well.")
def command(
    places: Sequence[str], episodes: int, names: Sequence[str], out: Path | None
) -> Sequence[str]:
    """Break one rule after another."""
    console = Console(width=160)
    mutations = [mutation for mutation in MUTATIONS if not names or mutation.name in names]
    _check_all(mutations)
    paths = chosen(recordings(places), episodes)
    console.print("\n".join(path.name for path in paths), highlight=False)
    table = Table("mutation", "rule", "caught", "episode", "step", "first difference")
    verdicts: list[Verdict] = []
    with engine_copy() as copy:
        for mutation in (UNCHANGED, *mutations):
            verdict = judge(copy, mutation, paths)
            verdicts.append(verdict)
            table.add_row(*_line(mutation, verdict))
            console.print(" | ".join(_line(mutation, verdict)), markup=False, highlight=False)
            if mutation is UNCHANGED and (verdict.caught or verdict.error):
                raise CannotMeasure(
                    f"the engine as it is does not replay {verdict.recording} "
                    f"({verdict.error or f'{verdict.differs} differs in step {verdict.step}'})"
                )
            if out:
                _write(out, paths, verdicts)
    console.print(table)
    broken = verdicts[1:]
    console.print(f"{sum(verdict.caught for verdict in broken)} of {len(broken)} noticed")
    return [
        f"{verdict.name} is noticed within {len(paths)} recordings"
        + (f" (a replay ended with {verdict.error})" if verdict.error else "")
        for verdict in broken
        if not verdict.caught and verdict.name not in UNNOTICED
    ]


def _write(file: Path, paths: Sequence[Path], verdicts: Sequence[Verdict]) -> None:
    rules = {mutation.name: mutation.rule for mutation in (UNCHANGED, *MUTATIONS)}
    rows = [{"rule": rules[verdict.name], **dataclasses.asdict(verdict)} for verdict in verdicts]
    write_json(file, {"recordings": [path.name for path in paths], "verdicts": rows})


if __name__ == "__main__":
    command()
