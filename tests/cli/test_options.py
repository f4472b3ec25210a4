"""Names of options, options without effect, files to write, and names of policies."""

import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import cagexplain
from cagexplain.cli.main import COMMANDS, main
from cagexplain.cli.options import Option

ROOT = Path(cagexplain.__file__).parents[1]
SHORT = ["--episodes", "2", "--episode-length", "10"]


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("options") / "trace"
    assert main(["trace", "random", *SHORT, "-o", str(folder)]) == 0
    return str(folder)


def commands() -> Iterator[tuple[str, click.Command]]:
    for name, (module, attribute, _) in COMMANDS.items():
        command = getattr(importlib.import_module(module), attribute)
        if isinstance(command, click.Group):
            yield from ((f"{name} {sub}", command.commands[sub]) for sub in command.commands)
        else:
            yield name, command


MEANINGS = {
    "--steps": {"train", "search", "oracle"},
    "--episode-length": {
        *("evaluate", "parity", "trace", "lockstep", "surrogate", "audit"),
        *("verify-submission", "verify-red", "attack", "oracle"),
    },
    "--seeds": {"lockstep"},
    "--n-seeds": {"search"},
    "--policy": {"explain", "fsm-report", "audit"},
    "--out": set(),
    "--threads": set(),
}
"""Which commands show an option: it means one thing in all of them."""


@pytest.mark.parametrize("option", MEANINGS)
def test_a_name_has_one_meaning(option: str) -> None:
    shown = {
        name
        for name, command in commands()
        for param in command.params
        if option in param.opts and not getattr(param, "hidden", False)
    }
    assert shown == MEANINGS[option]


OLD = {
    "train": {"--out": "--output", "--threads": "--workers"},
    "search": {"--out": "--output", "--seeds": "--n-seeds"},
    "study run": {"--out": "--output"},
    "study report": {"--out": "--output"},
    **{
        name: {"--steps": "--episode-length"}
        for name in ("evaluate", "parity", "trace", "lockstep", "surrogate", "audit")
    },
}


def test_older_names_still_work_and_are_shown_nowhere() -> None:
    for name, command in commands():
        for old, new in OLD.get(name, {}).items():
            (option,) = (param for param in command.params if new in param.opts)
            assert isinstance(option, Option) and old in option.old
            context = click.Context(command)
            assert f"{old} " not in command.get_help(context)
            values = {"--threads": "1", "--seeds": "2", "--steps": "30"}
            given, *_ = command.make_parser(context).parse_args([old, values.get(old, "x")])
            assert given[option.name or ""] == values.get(old, "x")


def test_policies_of_lockstep_can_be_named_the_older_way(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["lockstep", "--policy", "nobody"]) == main(["lockstep", "nobody"]) == 2
    assert capsys.readouterr().err.count("'nobody' is neither") == 2


USELESS = {
    "audit TRACE --red impact --engine cyborg --seed 5 --episodes 3": (
        "--episodes, --seed, --red, --engine"
    ),
    "audit TRACE --steps 60 --batch 2 --workers 1": "--episode-length, --batch, --workers",
    "audit TRACE --stochastic --mask-sleep": "--mask-sleep, --stochastic",
    "audit sleep --policy x.pt": "--policy",
    "audit sleep --cyborg-path x": "--cyborg-path",
    "audit sleep --deterministic": "--deterministic",
    "surrogate TRACE --seed 3 --rounds 2 --fit-episodes 4": "--fit-episodes, --rounds, --seed",
    "surrogate TRACE --red stealthy --episodes 4": "--episodes, --red",
    "evaluate sleep --cyborg-path x": "--cyborg-path",
    "evaluate sleep --stochastic": "--stochastic",
    "trace sleep --cyborg-path x": "--cyborg-path",
    "trace random --deterministic": "--deterministic",
    "compare TRACE --by phase --allow-different-conditions": "--allow-different-conditions",
    "explain TRACE --critical --step 3": "--step",
    "explain TRACE --critical --rollouts 0 --horizon 9 --every-action": "--horizon, --every-action",
    "fsm-report TRACE --policy x.pt": "--policy",
    "parity sleep --paired --episodes-b 3": "--episodes-b",
    "parity sleep --sample-b x --episodes-b 3": "--episodes-b",
    "parity sleep --sample-a x --engine-a native": "--engine-a",
    "parity sleep --sample-a x --sample-b y --seed 3 --workers 2": "--seed, --workers",
    "parity sleep --paired --sample-a x --episodes 4": "--episodes",
    "parity sleep --engine-b native --cyborg-path x": "--cyborg-path",
    "parity sleep --engine-b native --deterministic": "--deterministic",
    "lockstep --list-probes --seeds 3": "--seeds",
    "lockstep sleep --replay TRACE": "[POLICY]...",
    "lockstep sleep --deterministic": "--deterministic",
    "lockstep --replay TRACE --json x.json --seeds 1": "--seeds, --json",
    "evaluate sleep --engine cyborg --ray auto": "--ray",
    "evaluate sleep --protocol official --ray auto --batch 2": "--batch, --ray",
    "trace sleep --engine cyborg --ray auto": "--ray",
    "audit sleep --engine cyborg --ray auto": "--ray",
    "study run studies/smoke.yaml --dry-run --ray auto": "--ray",
    "search ippo --range gamma=0:1": "--range",
    "search ippo --pruner none": "--pruner",
    "train ippo --show --resume --output x": "--output, --resume",
}


@pytest.mark.parametrize("line", USELESS)
def test_options_without_effect_are_refused(
    line: str,
    trace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([trace if word == "TRACE" else word for word in line.split()]) == 2
    message = capsys.readouterr().err
    assert message.startswith(f"Error: {USELESS[line]}: no effect ")
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_same_from_the_environment_is_no_mistake(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CAGEXPLAIN_CYBORG_PATH", str(tmp_path))
    assert main(["evaluate", "sleep", *SHORT]) == 0


@pytest.mark.parametrize("command", ["audit", "surrogate"])
def test_a_built_in_name_wins_over_a_folder(
    command: str,
    trace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With a folder of that name, what else is written has no effect; that tells which it was."""
    monkeypatch.chdir(tmp_path)
    os.symlink(trace, "expert")
    useless = {"audit": ["--policy", "x.pt"], "surrogate": ["--episodes", "1000000000000"]}[command]
    assert main([command, "expert", *useless, "-o", "out"]) == 2
    by_name = capsys.readouterr().err
    assert main([command, "./expert", "--seed", "3", "-o", "out"]) == 2
    assert "--seed: no effect on a recorded trace" in capsys.readouterr().err
    assert "on a policy" in by_name if command == "audit" else "GiB" in by_name


def test_too_many_episodes_are_refused_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("evaluate", "trace"):
        assert main([command, "sleep", "--episodes", "1000000000"]) == 2
        message = capsys.readouterr().err
        assert "episodes: 1,000,000,000 episodes need at least 1,863 GiB of memory" in message
        assert "GiB are free. Play at most " in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("no/where.json", "no: there is no such folder"),
        (".", "this is a folder"),
        ("x" * 256, "cannot be written (File name too long)"),
    ],
)
def test_files_that_cannot_be_written_are_refused_before_the_work(
    file: str,
    problem: str,
    trace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for line in (
        ["evaluate", "sleep", "--json", file],
        ["compare", trace, trace, "--json", file],
        ["fsm-report", trace, "--svg", file],
        ["explain", trace, "--critical", "-o", file],
        ["lockstep", "--json", file],
        ["study", "report", trace, "-o", file],
    ):
        assert main(line) == 1
        assert problem in capsys.readouterr().err


def test_json_goes_to_devices_and_pipes(tmp_path: Path) -> None:
    code = "import sys; from cagexplain.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "evaluate", "sleep", *SHORT, "--json"]
    kept = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(ROOT)}, "text": True}
    done = subprocess.run([*command, "/dev/stdout"], capture_output=True, check=True, **kept)  # type: ignore[call-overload]
    table, numbers = done.stdout.split("\n{", 1)
    assert "return" in table
    assert len(json.JSONDecoder().raw_decode("{" + numbers)[0]["episodes"]) == 2
    closed = ["sh", "-c", 'exec "$0" "$@" >&-', *command, "/dev/null"]
    done = subprocess.run(closed, stderr=subprocess.PIPE, check=False, **kept)  # type: ignore[call-overload]
    assert (done.returncode, done.stderr) == (0, "")


def test_train_lists_every_algorithm() -> None:
    from trainers.registry import ALGORITHMS

    shown = " ".join((dict(commands())["train"].help or "").split())
    named = shown.partition("ALGORITHM is ")[2].partition(".")[0]
    assert re.split(r", | or ", named) == list(ALGORITHMS)


def test_seeds_show_no_limit_in_the_help_and_name_it_in_errors(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {
        name: param.get_help_record(click.Context(command))
        for name, command in commands()
        for param in command.params
        if {"--seed", "--search-seed"} & set(param.opts) and name != "train"
    }
    assert {"evaluate", "trace", "audit", "attack", "oracle"} <= set(shown)
    assert not [name for name, record in shown.items() if "<=" in str(record)]
    assert main(["evaluate", "random", "--seed", "-1"]) == 2
    assert "-1 is not in the range 0<=x<=4611686018427387904" in capsys.readouterr().err
