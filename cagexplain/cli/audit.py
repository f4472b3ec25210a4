"""`cagexplain audit`."""

from __future__ import annotations

import contextlib
import functools
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cagexplain.audit.check import SEVERITIES
from cagexplain.audit.results import VERDICTS
from cagexplain.cli import playing
from cagexplain.cli.options import TRACK_OPTION, Command, Unused, output_option, refuse
from cagexplain.cli.places import new_place
from cagexplain.common import machine

if TYPE_CHECKING:
    from cagexplain.audit.conduct import Conducted
    from cagexplain.audit.results import Audit
    from cagexplain.common.cluster import Cluster
    from cagexplain.policies.base import Policy
    from cagexplain.tracing.trace import Trace

ATTACK: Final = "attack"
"""Folder, within that of an audit, of the attack that --attack asks for."""
MIN_STEPS: Final = 30
FINDINGS: Final = 3
"""Exit status if there are findings at or above ``--fail-on``."""
UNDECIDED: Final = 4
"""Exit status under ``--strict`` if checks are inconclusive."""
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_AMOUNTS: Final = {"priced": 200, "varied": 40, "moments": 6}
"""How much is played beside the episodes that are judged, unless the user says it."""


def _default(amount: str) -> str:
    return f"[default: {_AMOUNTS[amount]}, of code of others 0]"


def _of_trace(options: Mapping[str, Any]) -> bool:
    return playing.recorded(options["subject"]) is not None


_OF_PLAYER: Final = ("mask_sleep", "deterministic")
"""How a policy plays; also that of --sibling, which is played in any case."""
_OF_EPISODES: Final = (
    *(name for name in playing.EPISODES_NAMES if name not in _OF_PLAYER),
    *playing.PLAYING_NAMES,
    "engine",
)
_ON_TRACE: Final = "on a recorded trace, whose episodes are what they are"
_UNUSED: Final = (
    Unused(_ON_TRACE, lambda options: _of_trace(options) and not options["ray"], _OF_EPISODES),
    # On a cluster the prices and variations of a trace's policy take workers, too.
    Unused(_ON_TRACE, _of_trace, tuple(n for n in _OF_EPISODES if n != "workers")),
    Unused(
        "on a recorded trace without --sibling",
        lambda options: _of_trace(options) and not options["siblings"],
        _OF_PLAYER,
    ),
    Unused(
        "on a policy: it names where the policy of a TRACE lies",
        lambda options: not _of_trace(options),
        ("policy_file",),
    ),
    playing.WITHOUT_CYBORG,
    playing.NOT_CYBORG,
)


@click.command("audit", cls=Command, unused=_UNUSED)
@click.argument("subject", metavar="POLICY|TRACE")
@output_option("Folder of the audit, new or empty.  [default: runs/audit-POLICY-1, -2, ...]")
@click.option(
    "--profile",
    default="default",
    show_default=True,
    help="Thresholds to judge by: default, strict, mission, or a YAML file of your own.",
)
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help=f"Exit with status {FINDINGS} if a check of this severity or a graver one fails.",
)
@click.option(
    "--strict",
    is_flag=True,
    help=f"Exit with status {UNDECIDED} if a check (as grave as --fail-on) is inconclusive.",
)
@click.option(
    "--sarif-warnings",
    is_flag=True,
    help="Also list warnings as results in audit.sarif; code scanning raises an alert for each.",
)
@click.option("--baseline", type=_FILE, help="Earlier audit.json to compare with.")
@click.option(
    "--sibling",
    "siblings",
    multiple=True,
    metavar="POLICY",
    help="The same method, trained with another seed, for ROB-01; repeatable.",
)
@click.option(
    "--prices",
    "priced",
    type=click.IntRange(min=0),
    help="Pairs of episodes that price each remedy, and at most 60 each kind of action; 0 leaves "
    f"both out.  {_default('priced')}",
)
@click.option(
    "--variations",
    "varied",
    type=click.IntRange(min=0),
    help=f"Episodes under each other condition; 0 leaves robustness out.  {_default('varied')}",
)
@click.option(
    "--attack",
    "attacked",
    is_flag=True,
    help="Also fit an attacker to the policy, for ROB-03, as `cagexplain attack` does; this takes "
    "some minutes.",
)
@click.option(
    "--moments",
    type=click.IntRange(min=0),
    help=f"Decisions that mattered most to explain; 0 leaves them out.  {_default('moments')}",
)
@click.option("--rules", is_flag=True, help="Also extract decision trees; this takes some minutes.")
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path),
    help="Where the policy of a TRACE lies now, if it was moved since the recording.",
)
@TRACK_OPTION
@playing.options
@playing.ON_RAY
def command(subject: str, output: Path | None, track: str | None, **options: Any) -> int:
    """Audit a policy against practices of cyber defence, with evidence, uncertainty and prices.

    POLICY is whatever plays (see `cagexplain policies --help`); TRACE is a folder that `cagexplain
    trace` has written. The audit is a page (audit.html) and files for other tools: audit.json,
    SARIF, JUnit, OCSF, a layer for the ATT&CK Navigator, a CACAO playbook, CSV. With --track, the
    page and audit.json join the run of MLflow that the policy was trained in.

    The exit status is 0 if all went well, 1 after an error, 2 after wrong usage, 3 if there are
    findings as grave as --fail-on, 4 if checks are inconclusive under --strict.
    """
    from cagexplain.audit.conduct import conduct
    from cagexplain.audit.document import read
    from cagexplain.audit.profiles import load_profile
    from cagexplain.audit.references import load_references
    from cagexplain.common.files import prepare_output_dir
    from cagexplain.common.processes import spawning
    from cagexplain.tracing.trace import open_trace

    # What cannot be used is refused before the work, not after it.
    if (
        options["ray"] is None
        and machine.cores() > 1
        and (options["priced"] != 0 or options["varied"] != 0)
    ):
        spawning()
    profile, references = load_profile(options["profile"]), load_references()
    earlier = None if options["baseline"] is None else read(options["baseline"])
    run_id = None if track is None else _tracked(track, subject, options["policy_file"])
    siblings = [playing.load(spec, options) for spec in options["siblings"]]
    cluster = playing.cluster(options)
    why_not = ""
    policy: Policy | None
    failed: dict[int, str] = {}
    if (trace_folder := playing.recorded(subject)) is not None:
        trace = open_trace(trace_folder)
        policy, why_not = _reloaded(trace, options)
        if policy is not None:
            _require_siblings(policy, siblings)
        name = str(trace.manifest.policy.get("name", trace_folder.name))
        folder = prepare_output_dir(output or new_place("audit", name))
    else:
        _require_phases(options["steps"])
        policy = playing.load(subject, options)
        _require_siblings(policy, siblings)
        name = policy.name
        folder = prepare_output_dir(output or new_place("audit", name))
        with _telling_where(folder / playing.TRACE):
            trace, failed = _record(folder / playing.TRACE, policy, options, cluster)
    amounts = _amounts(policy, options)
    if amounts["varied"] == 0:
        refuse(("attacked",), "without the other conditions that --variations asks for")
    with _telling_where(trace.path), playing.counting(f"auditing {name}", 0) as advance:
        conducted = conduct(
            trace,
            policy,
            profile,
            references,
            command=_again(),
            why_not=why_not,
            pairs=amounts["priced"],
            varied=amounts["varied"],
            siblings=siblings,
            attack=folder / ATTACK if options["attacked"] else None,
            moments=amounts["moments"],
            rules=options["rules"],
            earlier=earlier,
            failed=failed,
            cluster=cluster,
            advance=advance,
        )
    _write(folder, conducted, options["sarif_warnings"])
    show(folder, conducted.audit)
    if track is not None and run_id is not None:
        _add_to_run(track, run_id, folder, conducted.audit)
    return _status(conducted.audit, options["fail_on"], options["strict"])


def _amounts(policy: Policy | None, options: Mapping[str, Any]) -> dict[str, int]:
    """How much is played beside the episodes that are judged."""
    slow = policy is not None and policy.kind == "external"
    usual = dict.fromkeys(_AMOUNTS, 0) if slow else _AMOUNTS
    if slow and all(options[name] is None for name in _AMOUNTS):
        click.echo(
            "Prices, robustness and decisions that mattered are left out: they take many times the "
            "episodes, and code of others plays slowly. --prices 20, --variations 10 and --moments "
            "3 ask for them.",
            err=True,
        )
    return {
        name: amount if options[name] is None else int(options[name])
        for name, amount in usual.items()
    }


def _require_phases(steps: int) -> None:
    from cagexplain.common.errors import UsageError

    if steps < MIN_STEPS:
        raise UsageError(
            f"{steps} steps are too few to judge a policy in all three phases of the mission",
            where="--episode-length",
            remedy=f"Give at least {MIN_STEPS}; an episode of CC4 has 500",
        )


@contextlib.contextmanager
def _telling_where(trace: Path) -> Iterator[None]:
    """Say after Ctrl-C how to go on without playing the episodes again."""
    from cagexplain.tracing import manifest as manifests

    try:
        yield
    except KeyboardInterrupt:
        if (trace / manifests.FILE_NAME).is_file():
            manifest = manifests.read(trace)
            finished, planned = manifest.finished_episodes, len(manifest.seeds)
            message = f"{finished} of {planned} episodes are in {trace}"
            if finished < planned:
                message += (
                    "; 'cagexplain trace' with the same policy and options, --output "
                    f"{trace} and --resume records the others"
                )
            if finished and manifest.gapless:
                message += f"; 'cagexplain audit {trace}' judges them"
            click.echo(f"{message}.", err=True)
        raise


def _record(
    folder: Path, policy: Policy, options: dict[str, Any], cluster: Cluster | None
) -> tuple[Trace, dict[int, str]]:
    """Play the episodes that are audited."""
    from cagexplain.audit.play.record import record
    from cagexplain.cc4 import phases
    from cagexplain.policies.rollout import seed_range

    engine = playing.engine(options)
    steps = options["episodes"] * phases.calls(options["steps"])
    with playing.place(cluster, engine, f"recording {policy.name}", steps) as place:
        recorded = record(
            folder,
            policy,
            seed_range(options["seed"], options["episodes"]),
            playing.params(options),
            engine=engine,
            batch=playing.batch(options, engine, policy),
            options={"mask_sleep": options["mask_sleep"]},
            place=place,
        )
    return recorded.trace, recorded.failed


def _require_siblings(policy: Policy, siblings: Sequence[Policy]) -> None:
    """Refuse policies of --sibling that are none of this one."""
    from cagexplain.audit.siblings import require_sibling

    for sibling in siblings:
        require_sibling(policy, sibling)


def _reloaded(trace: Trace, options: Mapping[str, Any]) -> tuple[Policy | None, str]:
    """The policy of a trace, or why it cannot be played again."""
    from cagexplain.analysis.decisions.replay import policy_of
    from cagexplain.common.errors import CagexplainError

    try:
        policy = policy_of(
            trace,
            options["policy_file"],
            playing.opening(options["trust_code"], options["step_timeout"]),
        )
    except CagexplainError as error:
        if options["policy_file"] is not None or options["trust_code"]:
            raise
        return None, str(error)
    playing.single_threaded(policy)
    return policy, ""


def _again() -> str:
    """The command that makes this audit again."""
    return shlex.join(["cagexplain", *sys.argv[1:]])


def _write(folder: Path, conducted: Conducted, sarif_warnings: bool) -> None:
    """Numbers first: the page is made from them."""
    from cagexplain.common.files import write_text
    from reports.audit.page import audit_page
    from reports.exports import FORMATS
    from reports.exports.sarif import sarif

    texts = {export.file: export.text for export in FORMATS.values()}
    if sarif_warnings:
        texts[FORMATS["sarif"].file] = functools.partial(sarif, warnings=True)
    for file, text in texts.items():
        write_text(folder / file, text(conducted.audit))
    page = audit_page(
        conducted.audit,
        analysis=conducted.analysis,
        explanations=conducted.explanations,
        timelines=conducted.timelines,
        surrogate=conducted.surrogate,
        why_not=conducted.why_not,
    )
    write_text(folder / "audit.html", page)


def show(folder: Path, audit: Audit) -> None:
    """Show in a terminal what an audit comes to: failures in the order of the page."""
    from cagexplain.audit import ranking
    from cagexplain.audit.suspects import suspects
    from reports.audit.lead_words import recommendation
    from reports.shared.findings import headline

    counts = Counter(finding.verdict for finding in audit.findings)
    click.echo(f"practice: {audit.practice}; outcome: {audit.outcome}")
    click.echo(", ".join(f"{counts[name]} {name}" for name in VERDICTS if counts[name]))
    click.echo(recommendation(audit, suspects(audit)))
    failures = [finding for finding in audit.findings if finding.verdict == "FAIL"]
    for finding in ranking.in_order(failures, audit):
        click.echo(f"  FAIL {finding.id} ({finding.severity}): {headline(finding)}")
    for note in audit.notes:
        click.echo(f"note: {note}")
    click.echo(folder / "audit.html")


def _tracked(track: str, subject: str, moved: Path | None) -> str:
    """The run of MLflow that what is audited was trained in."""
    from cagexplain.tracing import manifest as manifests
    from trainers.core.mlflow_runs import require_own

    trace = playing.recorded(subject)
    file = subject if trace is None else moved or manifests.read(trace).policy_file or ""
    return require_own(track, Path(file).parent if Path(file).is_file() else None)


def _add_to_run(track: str, run_id: str, folder: Path, audit: Audit) -> None:
    """Add the audit to a run of MLflow; where that has gone, the audit is there all the same."""
    from trainers.core.mlflow_runs import add_report

    counts = Counter(finding.verdict for finding in audit.findings)
    try:
        add_report(
            track,
            run_id,
            "audit",
            [folder / "audit.html", folder / "audit.json"],
            {"return": audit.mean_return.mean} | {str(each): n for each, n in counts.items()},
            {"practice": audit.practice, "outcome": audit.outcome},
        )
    except OSError as error:
        click.echo(f"note: MLflow did not take the audit: {error}", err=True)


def _status(audit: Audit, fail_on: str | None, strict: bool) -> int:
    """The exit status, by what the gate asks for."""
    grave = SEVERITIES[: 1 + SEVERITIES.index(fail_on or SEVERITIES[-1])]
    verdicts = {f.verdict for f in audit.findings if f.severity in grave}
    if fail_on is not None and "FAIL" in verdicts:
        return FINDINGS
    if any(finding.verdict == "ERROR" for finding in audit.findings):
        return 1
    return UNDECIDED if strict and "INCONCLUSIVE" in verdicts else 0
