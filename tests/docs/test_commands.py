"""Every command that README.md and the pages of docs/ name can be typed as it stands there.

Commands are parsed by the program that they call, and not run: each command, option, choice and
built-in name has to exist, each value to be of its type, and each file of this project to be there.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import tomllib
from collections.abc import Sequence
from typing import Any, Final

import click
import pytest

from cagexplain.cli.main import cli
from cagexplain.fidelity.probes import PROBES
from cagexplain.policies.registry import builtin_policies
from tests.docs import pages
from tests.docs.pages import Command
from trainers.registry import ALGORITHMS

COMMANDS: Final = [command for page in pages.PAGES for command in pages.commands(page)]
STANDS_FOR: Final = {
    **{"METHOD": "ippo", "ALGORITHM": "ippo", "N": "7", "NAME": "discovery", "P": "random"},
    **{"POLICY": "sleep", "POLICY|TRACE": "sleep", "FOLDER": "tests", "COMMAND": "train"},
}
"""What is put in the place of names in capital letters; any other is taken as it is."""
OWN: Final = {"reinforce"}
"""Algorithms that a page adds."""
NAMES: Final = {*builtin_policies(), *PROBES}
"""Policies that have a name: the built-in ones, and the probes of `lockstep`."""
POLICIES: Final = ("policy", "subject", "policies")
"""Names of the parameters that take policies."""
FOLDERS: Final = {path.name for path in pages.ROOT.iterdir() if path.is_dir()} - {"runs"}


def of(*programs: str) -> list[Command]:
    return [command for command in COMMANDS if command.words[0] in programs]


def each(commands: Sequence[Command]) -> Any:
    return pytest.mark.parametrize("command", commands, ids=str)


def filled(command: Command) -> list[str]:
    """The arguments, with something for each name that stands for what the reader has."""
    words = [word.strip("[]") for word in command.words[1:] if word != "..."]
    return [STANDS_FOR.get(word, word) for word in words]


def parse(command: Command) -> click.Context | None:
    """Parse a command of ours; None if a sentence leaves out what the command must be given."""
    chosen: click.Command = cli
    context, arguments = click.Context(cli, info_name="cagexplain"), filled(command)
    while isinstance(chosen, click.Group):
        if not arguments:
            return None
        name, found, arguments = chosen.resolve_command(context, arguments)
        assert found is not None
        chosen, context = found, click.Context(found, parent=context, info_name=name)
    try:
        return chosen.make_context(context.info_name, arguments, parent=context.parent)
    except click.exceptions.Exit:  # after --help
        return None
    except click.MissingParameter:
        if command.whole:
            raise
        return None


def test_the_pages_have_commands() -> None:
    assert len(of("cagexplain")) > 70
    assert len(of("python")) > 15


@each(of("cagexplain"))
def test_commands_parse(command: Command) -> None:
    context = parse(command)
    for name, value in (context.params if context else {}).items():
        if name in POLICIES:
            for policy in [value] if isinstance(value, str) else value or ():
                assert policy in NAMES or any(sign in policy for sign in "/.$")
        if name == "algorithm":
            assert value in ALGORITHMS or value in OWN


@each(of("python"))
def test_modules_parse(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command.words[1] == "-m"
    name, arguments = command.words[2], filled(command)[2:]
    assert importlib.util.find_spec(name) is not None
    if name == "pytest":
        return
    module = importlib.import_module(name)
    if found := [value for value in vars(module).values() if isinstance(value, click.Command)]:
        found[0].make_context(name, arguments)
    elif arguments:
        parse_args = argparse.ArgumentParser.parse_args

        def parsed(self: Any, *rest: Any) -> Any:
            raise _Parsed(parse_args(self, *rest))

        monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
        with pytest.raises(_Parsed):
            module.main(arguments)


class _Parsed(Exception):
    """Arguments that were understood; nothing is done about them."""


@each(of("cagexplain", "python"))
def test_files_of_this_project_are_there(command: Command) -> None:
    for word in command.words:
        if word.partition("/")[0] in FOLDERS and "/" in word:
            assert (pages.ROOT / word).exists()


@each(of("make"))
def test_make_has_the_target_or_the_variable(command: Command) -> None:
    makefile = (pages.ROOT / "Makefile").read_text(encoding="utf-8")
    for word in command.words[1:]:
        name, is_variable, _ = word.partition("=")
        assert re.search(rf"^{name} [?:]=" if is_variable else rf"^{name}:", makefile, re.M)


@each(of("pip"))
def test_what_is_installed_exists(command: Command) -> None:
    """The project is on no index: an extra is installed from the checkout."""
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for word in command.words[2:]:
        assert not word.startswith("cagexplain")
        if found := re.fullmatch(r"\.\[(.*)\]", word):
            assert command.words[command.words.index(word) - 1] == "-e"
            assert set(found[1].split(",")) <= set(project["optional-dependencies"])


ROWS: Final = [
    (command, option)
    for page in pages.PAGES
    for row in re.findall(r"^\| `cagexplain [^\n]*$", page.read_text(encoding="utf-8"), re.M)
    for command in pages.commands_of(page.name, row)[:1]
    for option in dict.fromkeys(re.findall(r"`(--[a-z][a-z0-9-]*)", row))
]
"""Options that a table tells beside a command."""


@pytest.mark.parametrize(("command", "option"), ROWS, ids=str)
def test_options_in_tables_exist(command: Command, option: str) -> None:
    chosen: click.Command = cli
    context = click.Context(cli)
    arguments = filled(command)
    while isinstance(chosen, click.Group):
        _, found, arguments = chosen.resolve_command(context, arguments)
        assert found is not None
        chosen = found
    assert option in {name for parameter in chosen.params for name in parameter.opts}
