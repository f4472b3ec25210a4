"""`cagexplain attack`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.table import Table

from cagexplain.attack.results import FILE, TRACE, Aim, Rules
from cagexplain.attack.rules import FENCED, FREE, MEANING, OFFICIAL, RULES
from cagexplain.cli import playing
from cagexplain.cli.options import Command, Seed, Unused, output_option
from cagexplain.cli.places import new_place
from cagexplain.common import terminal
from cagexplain.common.errors import UsageError
from cagexplain.policies.rollout import EVALUATION_SEED

if TYPE_CHECKING:
    from cagexplain.attack.learned import LearnedResult
    from cagexplain.attack.results import AttackResult, JudgedRed
    from cagexplain.policies.evaluation import MeanReturn
    from cagexplain.stats.interval import Interval

PAGE: Final = "attack.html"
"""Name of the page within an attack's folder."""
_BUDGET: Final = "2m"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
AIMS: Final = ("return", "without-contractor")
SEARCH, LEARN = "search", "rl"
_RESUMED: Final = Unused(
    "with --resume, which goes on with the plan that the attack was begun with",
    lambda options: options["resume"] and options["stage"] == SEARCH,
    ("budget", "generations"),
)
_LEARNED: Final = Unused(
    "with --stage rl, which goes on from the finished attack in --output",
    lambda options: options["stage"] == LEARN,
    ("generations", "rules", "aim", "start", "seed", "condition", "steps", "workers"),
)
_COUNTED: Final = Unused(
    "beside --generations, which says how much is played",
    lambda options: options["generations"] is not None,
    ("budget",),
)


class Duration(click.ParamType):  # type: ignore[type-arg] # not generic in Click 8.1
    """A number of seconds, minutes or hours, such as 90s, 2m or 1h; seconds without a unit."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds of the text."""
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
        if not 0 < seconds < float("inf"):
            self.fail(f"{value!r} is no time; give one such as 90s, 2m or 1h", param, ctx)
        return seconds


DURATION: Final = Duration()


@click.command("attack", cls=Command, unused=[_LEARNED, _RESUMED, _COUNTED])
@click.argument("policy")
@output_option("Folder of the attack, new or empty.  [default: runs/attack-POLICY-1, -2, ...]")
@click.option(
    "--stage",
    type=click.Choice((SEARCH, LEARN)),
    default=SEARCH,
    show_default=True,
    help=f"{SEARCH}: portfolio and search; {LEARN}: from the worst of the finished attack in "
    "--output, a network learns to do better, for as long as --budget says.",
)
@click.option("--resume", is_flag=True, help="Continue the interrupted attack in --output.")
@click.option(
    "--budget",
    type=DURATION,
    default=_BUDGET,
    show_default=True,
    metavar="TIME",
    help="How long it may take, such as 90s, 2m or 1h. A short play translates it into numbers of "
    "episodes, which the result depends on and tells.",
)
@click.option(
    "--generations",
    type=click.IntRange(min=1),
    help="Length of the search, in place of a budget: the same on every machine.",
)
@click.option(
    "--rules",
    type=click.Choice(RULES),
    default=FENCED,
    show_default=True,
    help=f"What the attacker may do. {OFFICIAL}: {MEANING[OFFICIAL]}; {FENCED}: {MEANING[FENCED]}; "
    f"{FREE}: {MEANING[FREE]}, which attacks the rules of the game.",
)
@click.option(
    "--against",
    "aim",
    type=click.Choice(AIMS),
    default=AIMS[0],
    show_default=True,
    help="What the attacker drives down: the return, or that without the Impacts in the contractor "
    "network, which no policy can prevent.",
)
@click.option(
    "--start",
    metavar="NAME|FILE",
    help="Attacker to search from.  [default: the one of the portfolio that is worst for POLICY]",
)
@click.option(
    "--search-seed",
    type=Seed(high=2**31),
    default=0,
    show_default=True,
    help="Seed of the search.",
)
@click.option(
    "--seed",
    type=Seed(EVALUATION_SEED),
    default=EVALUATION_SEED,
    show_default=True,
    help="Seed of the first episode that attackers are judged in; the search uses smaller ones.",
)
@click.option("--condition", **playing.CONDITION)
@click.option("--episode-length", "steps", **playing.LENGTH)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Threads that play.  [default: all cores]"
)
@playing.manner_options
@playing.trust_options
def command(
    policy: str,
    output: Path | None,
    stage: str,
    resume: bool,
    budget: float,
    generations: int | None,
    rules: Rules,
    aim: Aim,
    start: str | None,
    **options: Any,
) -> None:
    """Look for the attacker that POLICY bears worst, and say how bad that is.

    POLICY is whatever plays (see `cagexplain policies --help`). First a portfolio of strong
    attackers is tried; from its worst a search (CMA-ES) over probabilities goes on; the worst of
    five finalists is then judged on seeds that nobody has seen, and with it all the others.
    So POLICY is at least this exploitable by attackers of this family.

    The folder gets attack.html, the page to read, attack.json with all numbers, found.yaml, which
    --red takes in every command, and a trace of episodes against it. After Ctrl-C the same command
    with --resume goes on.

    With --stage rl a red goes on from there by learning, for the time of --budget, and is judged
    beside the table that it began as: a section of attack.html, learned.json and learned.pt. Ctrl-C
    ends the learning early, and with --resume it goes on for the time of --budget.
    """
    if stage == LEARN:
        from cagexplain.cli.attack_learned import learn

        learn(policy, output, budget, resume, options)
        return
    from cagexplain.attack.run import Attack, Settings
    from cagexplain.cc4.reds import load_red
    from cagexplain.envs import EnvParams

    if resume and output is None:
        raise UsageError(
            "which attack is to be resumed?",
            where="--resume",
            remedy="Name its folder with --output",
        )
    player = playing.load(policy, options)
    settings = Settings(
        rules,
        aim,
        None if start is None else load_red(start),
        options["search_seed"],
        options["seed"],
    )
    folder = output or new_place("attack", player.name)
    params = EnvParams(steps=options["steps"]).under(options["condition"])
    attack = Attack(player, params, settings, folder, resume=resume, workers=options["workers"])
    attack.plan(budget=None if generations is not None else budget, generations=generations)
    try:
        with playing.narrating(f"attacking {player.name}", *attack.steps) as (advance, tell):
            result = attack.run(advance, tell)
    except KeyboardInterrupt:
        assert attack.progress is not None
        click.echo(
            f"{len(attack.progress.values)} of {attack.progress.plan.generations} generations are "
            f"in {folder}; the same command with --output {folder} --resume continues the attack.",
            err=True,
        )
        raise
    _show(result)
    page = write_page(folder, result)
    click.echo(f"Written to {page} and {FILE} beside it, with a trace in {TRACE}")


def write_page(folder: Path, result: AttackResult, learned: LearnedResult | None = None) -> Path:
    """Write the page of an attack, with the red that has learned from it if there is one."""
    from cagexplain.analysis.fsm.analyse import analyse
    from cagexplain.common.files import write_text
    from cagexplain.tracing.trace import open_trace
    from reports.attack.page import attack_report

    page = attack_report(result, analyse(open_trace(folder / TRACE)), learned)
    write_text(folder / PAGE, page.html)
    return folder / PAGE


def _show(result: AttackResult) -> None:
    search, worst = result.search, result.worst
    click.echo(
        f"{result.policy['name']}: {len(search.history)} generations of {search.population} "
        f"attackers from {search.start}, {search.episodes} episodes each, {search.seconds:,.0f} s"
    )
    terminal.console().print(_table(result))
    phantom = worst.policy.phantom_share
    if phantom is not None:
        click.echo(f"Under {worst.key} {phantom:.1%} of the points of Impacts are phantom.")
    click.echo(
        "So the policy is at least this exploitable by attackers of this family "
        f"(rules: {result.rules})."
    )


def _table(result: AttackResult) -> Table:
    from cagexplain.attack import figures

    table = Table(box=None, pad_edge=False)
    for heading in (
        "attacker",
        "",
        "episodes",
        "return",
        "without contractor",
        "of Sleep's loss averted",
    ):
        table.add_column(heading, justify="left" if heading in ("attacker", "") else "right")
    for red in _rows(result):
        averted = figures.averted(red)
        table.add_row(
            red.key,
            red.role,
            f"{len(red.policy):,}",
            limits(figures.mean(red.policy)),
            limits(figures.mean(red.policy, "without-contractor")),
            _share(averted),
            style="bold" if red is result.worst else None,
        )
    return table


def _rows(result: AttackResult) -> list[JudgedRed]:
    """The standard red, the worst of each kind, and the worst of all, once each."""
    roles = {red.role for red in result.reds}
    rows = [result.standard]
    rows += [result.worst_of(role) for role in ("shipped", "portfolio") if role in roles]
    return [*(red for red in rows if red is not result.worst), result.worst]


def limits(value: MeanReturn) -> str:
    """A mean with its interval, if it has one."""
    if value.low is None:
        return f"{value.mean:,.0f}"
    return f"{value.mean:,.0f} ({value.low:,.0f} to {value.high:,.0f})"


def _share(value: Interval) -> str:
    if value.value is None:
        return "undefined"
    if value.low is None or value.high is None:
        return f"{value.value:.0%}"
    return f"{value.value:.0%} ({value.low:.0%} to {value.high:.0%})"
