"""The public field, audited: submissions and policies of ours under the same conditions.

    python -m benchmarks.field [CONFIG] [--submissions FOLDER --trust-code] [--episodes N]
        [--policy NAME] [--condition NAME] [--results FOLDER] [--page FILE]

Plays every policy and submission that CONFIG names (by default benchmarks/field.yaml) on the same
seeds under every condition of `cagexplain.cc4.conditions`, judges the episodes as
`cagexplain audit` does, and writes a page that sets the numbers beside the published ones.

A submission lies in FOLDER/OWNER/NAME/..., a clone of its repository; one that is not there, that
may not be run or that fails is told as such in the page. Each result is kept in a small file of
--results as soon as it is there, and is not played again by a call that asks for as many episodes
or fewer. --policy and --condition choose what is played in this call; the page shows all that is
kept. It claims nothing: it measures.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click
import yaml

from benchmarks.command import COUNT, FILE, benchmark
from cagexplain import __version__
from cagexplain.analysis.metrics.estimate import soc
from cagexplain.audit.compose import comparable, compose, judge
from cagexplain.audit.play.record import record
from cagexplain.audit.profiles import load_profile
from cagexplain.audit.references import load_references
from cagexplain.audit.results import Audit
from cagexplain.cc4.conditions import CONDITIONS, KIELY, STANDARD
from cagexplain.common.documents import convert, read_json
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import write_json, write_text
from cagexplain.envs import EnvParams
from cagexplain.policies.base import Policy, rows_at_once
from cagexplain.policies.evaluation import estimate
from cagexplain.policies.external.forms import Opening
from cagexplain.policies.external.processes import Limits
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import (
    DEFAULT_BATCH,
    EVALUATION_SEED,
    PROTOCOLS,
    SEEDS,
    seed_range,
)
from cagexplain.tracing.trace import Trace

CONFIG: Final = Path(__file__).with_suffix(".yaml")
STEP_TIMEOUT: Final = 120.0
"""Seconds that a submission may take for a step: several play side by side."""
SHOWN: Final = (
    *("clean_hosts", "non_escalated_hosts", "cleared_mean", "recovery_precision"),
    *("useful_recoveries", "wasted_recoveries", "impacts", "green_availability"),
)
"""Metrics of the page, by their keys; the files have all."""
PACKAGES: Final = ("numpy", "numba", "torch")


@dataclass(frozen=True)
class Submission:
    """Where a public submission is from.

    Attributes:
        repository: OWNER/NAME on GitHub.
        commit: that was played.
        folder: the one in it that holds submission.py.
    """

    repository: str
    commit: str
    folder: str


@dataclass(frozen=True)
class Published:
    """What others have reported: by condition the mean, and the standard deviation if given."""

    name: str
    source: str
    returns: dict[str, list[float]]


@dataclass(frozen=True)
class Field:
    """The content of a configuration."""

    policies: list[str]
    submissions: dict[str, Submission]
    published: list[Published]

    @property
    def names(self) -> list[str]:
        """Of everything that is to be played."""
        return [*self.policies, *self.submissions]


@dataclass(frozen=True)
class Outcome:
    """A policy under a condition.

    Attributes:
        policy, condition: names.
        episodes: that were asked for, from seed `EVALUATION_SEED` on.
        problem: why there are no numbers; else empty.
        played: episodes played to their end; in the others the policy failed.
        mean, sd, low, high: of the official return, with its confidence interval at 95 %.
        metrics: by key: value, low, high, unit; the value is None where the data carry none.
        practice, outcome: verdicts of the audit on both axes.
        fails: checks that failed: identifiers with titles.
        inconclusive: checks without a verdict.
        facts: what the policy says about itself, without its path.
        seconds: that playing and judging took.
        versions: of what played it.
        date: ISO 8601.
    """

    policy: str
    condition: str
    episodes: int
    problem: str = ""
    played: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    practice: str = ""
    outcome: str = ""
    fails: dict[str, str] = field(default_factory=dict)
    inconclusive: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    date: str = ""


def read_field(file: Path) -> Field:
    """Read a configuration.

    Raises:
        CagexplainError: it is none.
    """
    remedy = f"Write it like {CONFIG}"
    try:
        content = yaml.safe_load(file.read_bytes())
    except yaml.YAMLError as error:
        raise CagexplainError(f"is no YAML: {error}", where=file, remedy=remedy) from error
    public = convert(content, Field, file, remedy=remedy)
    for i, entry in enumerate(public.published):
        for name, numbers in entry.returns.items():
            if name not in CONDITIONS or not 1 <= len(numbers) <= 2:
                raise CagexplainError(
                    "gives no mean, or no mean and deviation, of a condition",
                    where=file,
                    field=f"published[{i}].returns.{name}",
                    remedy=f"Conditions are {', '.join(CONDITIONS)}",
                )
    return public


def _load(name: str, public: Field, folder: Path | None, trust: bool) -> Policy:
    """A policy or submission by its name in the configuration."""
    if name in public.policies:
        return load_policy(name)
    entry = public.submissions[name]
    if folder is None or not trust:
        raise CagexplainError(
            "not run: submissions take --submissions FOLDER and --trust-code",
            remedy=f"Clone {entry.repository} to FOLDER/{entry.repository}",
        )
    place = folder / entry.repository / entry.folder
    if not (place / "submission.py").is_file():
        raise CagexplainError(
            f"not there: {entry.repository}, folder {entry.folder}",
            where=place,
            remedy=f"Clone https://github.com/{entry.repository} to it",
        )
    return load_policy(str(place), opening=Opening(trust, Limits(step=STEP_TIMEOUT)))


def play(name: str, policy: Policy, condition: str, episodes: int, steps: int) -> Outcome:
    """Play and judge a policy under a condition.

    Args:
        name: to file it under.
        policy: to play.
        condition: one of `CONDITIONS`.
        episodes: to play.
        steps: of an episode, as CC4 counts them.

    Raises:
        CagexplainError: the policy fails in every episode.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        recorded = record(
            Path(folder) / "trace",
            policy,
            seed_range(EVALUATION_SEED, episodes),
            EnvParams(steps=steps).under(condition),
            batch=rows_at_once(policy, DEFAULT_BATCH),
        )
        audit, metrics = _audited(recorded.trace), soc(recorded.trace).metrics
        returns = _returns(recorded.trace)
    (value,) = estimate(returns[:, None])
    facts = {key: entry for key, entry in policy.describe().items() if key != "path"}
    return Outcome(
        policy=name,
        condition=condition,
        episodes=episodes,
        played=len(returns),
        mean=value.mean,
        sd=value.sd,
        low=value.low,
        high=value.high,
        metrics={
            metric.key: {
                "value": metric.value,
                "low": metric.low,
                "high": metric.high,
                "unit": metric.unit,
                "name": metric.name,
            }
            for metric in metrics
            if metric.scope == "team"
        },
        practice=audit.practice,
        outcome=audit.outcome,
        fails={f.id: f.title for f in audit.findings if f.verdict == "FAIL"},
        inconclusive=sum(f.verdict == "INCONCLUSIVE" for f in audit.findings),
        facts=facts,
        seconds=round(time.perf_counter() - began, 1),
        versions=_versions(),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _audited(trace: Trace) -> Audit:
    """The audit without what takes further play: prices, robustness, explanations."""
    profile, references = load_profile("default"), load_references()
    references = references if comparable(trace) else references.elsewhere()
    judged = judge(trace, profile, references)
    return compose(trace, profile, references, judged, judged.findings, "")


def _returns(trace: Trace) -> Any:
    steps = trace.table("steps", ["episode", "reward", "counted"])
    counted = steps["reward"].astype("int64") * steps["counted"]
    return counted.groupby(steps["episode"]).sum().to_numpy()


def _versions() -> dict[str, str]:
    packages = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"cagexplain": __version__, "python": platform.python_version(), **packages}


def _file(results: Path, name: str, condition: str) -> Path:
    plain = "".join(c if c.isalnum() else "_" for c in name)
    return results / f"{plain}--{condition}.json"


def kept(results: Path, name: str, condition: str) -> Outcome | None:
    """A result of before, if there is one.

    Raises:
        CagexplainError: its file is damaged.
    """
    file = _file(results, name, condition)
    if not file.exists():
        return None
    return read_json(file, Outcome, "result", remedy="Delete it: it is then played again")


@benchmark(__doc__)
@click.argument("config", type=FILE, default=CONFIG)
@click.option("--submissions", "folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--trust-code", is_flag=True, help="Run the code of the submissions.")
@click.option("--episodes", type=COUNT, default=100, show_default=True)
@click.option("--episode-length", "steps", type=int, default=EnvParams().steps, show_default=True)
@click.option("--policy", "chosen", multiple=True, help="Of CONFIG.  [default: all of them]")
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    type=click.Choice(list(CONDITIONS)),
    help="[default: all of them]",
)
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("runs/field"),
    show_default=True,
    help="Folder of the small files.",
)
@click.option("--page", type=FILE, help="Markdown file to write.")
def command(
    config: Path,
    folder: Path | None,
    trust_code: bool,
    episodes: int,
    steps: int,
    chosen: Sequence[str],
    conditions: Sequence[str],
    results: Path,
    page: Path | None,
) -> Sequence[str]:
    """Play what is missing, and write the page."""
    public = read_field(config)
    if unknown := [name for name in chosen if name not in public.names]:
        raise click.UsageError(f"CONFIG has no {', '.join(unknown)}")
    results.mkdir(parents=True, exist_ok=True)
    absent: dict[str, str] = {}
    for name in chosen or public.names:
        missing = [
            condition
            for condition in conditions or CONDITIONS
            if (before := kept(results, name, condition)) is None
            or before.problem
            or before.episodes < episodes
        ]
        if not missing:
            continue
        try:
            policy = _load(name, public, folder, trust_code)
        except CagexplainError as error:
            absent[name] = error.problem
            click.echo(f"{name}: {error}", err=True)
            continue
        for condition in missing:
            try:
                result = play(name, policy, condition, episodes, steps)
            except CagexplainError as error:
                result = Outcome(name, condition, episodes, problem=error.problem)
            write_json(_file(results, name, condition), asdict(result))
            number = result.problem or f"{result.mean:,.1f} in {result.seconds:,.0f} s"
            click.echo(f"{name}, {condition}: {number}", err=True)
    outcomes = {
        (name, condition): outcome
        for name in public.names
        for condition in CONDITIONS
        if (outcome := kept(results, name, condition)) is not None
    }
    text = markdown(public, outcomes, absent)
    if page is not None:
        write_text(page, text)
        click.echo(page)
    else:
        click.echo(text)
    return ()


Outcomes = Mapping[tuple[str, str], Outcome]


def markdown(public: Field, outcomes: Outcomes, absent: Mapping[str, str]) -> str:
    """The page.

    Args:
        public: the configuration.
        outcomes: by name and condition, as far as there are any.
        absent: why a policy could not be played.
    """
    return "\n".join([*_head(public, outcomes), *_tables(public, outcomes, absent), ""])


def _head(public: Field, outcomes: Outcomes) -> Iterator[str]:
    played = [outcome for outcome in outcomes.values() if not outcome.problem]
    versions = sorted({tuple(outcome.versions.items()) for outcome in played})
    dates = sorted({outcome.date for outcome in played})
    yield "# The public field, audited"
    yield ""
    yield "Made by this command, from the repository's root. It goes on where it was stopped;"
    yield "`--episodes` says how many a result needs, each cell of the first table how many it has:"
    yield ""
    yield "```text"
    yield "python -m benchmarks.field --submissions FOLDER --trust-code --page docs/field.md"
    yield "```"
    yield ""
    yield (
        f"Every policy plays the same seeds, from {EVALUATION_SEED} on, 500 steps an episode. "
        f"Protocol `{SEEDS}`: {PROTOCOLS[SEEDS]}; the last reward does not count, as in the "
        "official evaluation. Published figures are of other worlds, so a difference within their "
        "deviation tells nothing. *n* is the number of episodes; limits are at 95 %."
    )
    yield ""
    yield f"The conditions are those of {KIELY}:"
    yield ""
    yield "| condition | what changes | called there |"
    yield "|---|---|---|"
    for name, condition in CONDITIONS.items():
        yield f"| `{name}` | {condition.summary} | {condition.published_as or 'CC4'} |"
    yield ""
    yield (
        "How far detection falls under StealthyRed and how large the constant networks are is not "
        "known from the paper itself here: discovery is never detected, and networks have the most "
        "hosts that CC4 allows. So compare these two columns with care."
    )
    yield ""
    for run in versions:
        yield f"- Played with {', '.join(f'{name} {version}' for name, version in run)}."
    if dates:
        yield f"- Played {' to '.join(dict.fromkeys((dates[0], dates[-1])))}."
    for name, entry in public.submissions.items():
        digests = sorted({run.facts["sha256"] for run in played if run.policy == name})
        files = f"; the files played have the SHA-256 {', '.join(digests)}" if digests else ""
        yield (
            f"- {name}: [{entry.repository}](https://github.com/{entry.repository}), folder "
            f"`{entry.folder}`, commit `{entry.commit[:12]}`{files}."
        )


def _tables(public: Field, outcomes: Outcomes, absent: Mapping[str, str]) -> Iterator[str]:
    yield from ("", "## Returns", "", "Mean ± standard deviation (limits of the mean), *n*.", "")
    yield f"| policy | {' | '.join(f'`{name}`' for name in CONDITIONS)} |"
    yield "|---" * (1 + len(CONDITIONS)) + "|"
    for name in _ordered(public, outcomes):
        cells = [_return(outcomes.get((name, c)), absent.get(name)) for c in CONDITIONS]
        yield f"| {name} | {' | '.join(cells)} |"
    yield from ("", "## Published returns", "", "Mean ± standard deviation of 100 episodes.", "")
    yield f"| submission | {' | '.join(f'`{name}`' for name in CONDITIONS)} | source |"
    yield "|---" * (2 + len(CONDITIONS)) + "|"
    for entry in public.published:
        cells = [" ± ".join(f"{n:g}" for n in entry.returns.get(c, [])) for c in CONDITIONS]
        yield f"| {entry.name} | {' | '.join(cells)} | {entry.source} |"
    yield from _metrics(public, outcomes)
    yield from _verdicts(public, outcomes)
    yield from _failures(public, outcomes)


def _ordered(public: Field, outcomes: Outcomes) -> list[str]:
    """Names, the best return under the standard condition first."""

    def place(name: str) -> float:
        outcome = outcomes.get((name, STANDARD))
        return float("inf") if outcome is None or outcome.mean is None else -outcome.mean

    return sorted(public.names, key=place)


def _return(outcome: Outcome | None, absent: str | None) -> str:
    if outcome is None:
        return absent or "not played"
    if outcome.problem:
        return f"failed: {outcome.problem}"
    limits = "" if outcome.low is None else f" ({outcome.low:,.1f} to {outcome.high:,.1f})"
    spread = "" if outcome.sd is None else f" ± {outcome.sd:,.1f}"
    return f"{outcome.mean:,.1f}{spread}{limits}, {outcome.played}"


def _metrics(public: Field, outcomes: Outcomes) -> Iterator[str]:
    usual = {
        name: outcome
        for name in _ordered(public, outcomes)
        if (outcome := outcomes.get((name, STANDARD))) is not None and outcome.metrics
    }
    if not usual:
        return
    some = next(iter(usual.values())).metrics
    yield from ("", f"## SOC metrics under `{STANDARD}`", "")
    yield "Each is defined in [metrics.md](metrics.md)."
    yield ""
    yield f"| policy | {' | '.join(some[key]['name'] for key in SHOWN)} |"
    yield "|---" * (1 + len(SHOWN)) + "|"
    for name, outcome in usual.items():
        cells = [_metric(outcome.metrics[key]) for key in SHOWN]
        yield f"| {name} | {' | '.join(cells)} |"


def _metric(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None:
        return "–"
    value, low, high = (
        None if n is None else f"{n:.3g}" for n in (metric["value"], metric["low"], metric["high"])
    )
    return f"{value}" if low is None or high is None else f"{value} ({low} to {high})"


def _verdicts(public: Field, outcomes: Outcomes) -> Iterator[str]:
    yield from ("", "## Verdicts", "")
    yield "Practice / outcome of the [audit](auditing.md), and how many checks fail."
    yield ""
    yield f"| policy | {' | '.join(f'`{name}`' for name in CONDITIONS)} |"
    yield "|---" * (1 + len(CONDITIONS)) + "|"
    for name in _ordered(public, outcomes):
        cells = [_verdict(outcomes.get((name, condition))) for condition in CONDITIONS]
        yield f"| {name} | {' | '.join(cells)} |"


def _verdict(outcome: Outcome | None) -> str:
    if outcome is None or outcome.problem:
        return "–"
    return f"{outcome.practice} / {outcome.outcome}, {len(outcome.fails)}"


def _failures(public: Field, outcomes: Outcomes) -> Iterator[str]:
    yield from ("", "## What each fails on", "")
    yield (
        f"Under `{STANDARD}`, and what is added under the others. The checks are listed in "
        "[checks.md](checks.md)."
    )
    yield ""
    for name in _ordered(public, outcomes):
        usual = outcomes.get((name, STANDARD))
        if usual is None or usual.problem:
            continue
        fails = [f"{ident} ({title})" for ident, title in usual.fails.items()]
        yield f"- **{name}**: {'; '.join(fails) or 'none'}."
        for condition in CONDITIONS:
            other = outcomes.get((name, condition))
            if added := [i for i in (other.fails if other else ()) if i not in usual.fails]:
                yield f"    - `{condition}` adds {', '.join(added)}."


if __name__ == "__main__":
    command()
