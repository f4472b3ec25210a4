"""`cagexplain evaluate` claims no more than it knows."""

import json
import re

from click.testing import CliRunner

from cagexplain.cli.evaluate import command

ARGUMENTS = ["sleep", "--steps", "20", "--episodes"]


def test_two_episodes_have_no_interval_and_the_reason_is_told() -> None:
    found = CliRunner().invoke(command, [*ARGUMENTS, "2"])
    assert found.exit_code == 0, found.output
    assert "return: not enough episodes for an interval: n = 2, at least 5 are needed" in (
        found.output
    )
    assert "phase, cause, subnet: not enough episodes for an interval: n = 2" in found.output
    (row,) = [line for line in found.output.splitlines() if line.startswith("return  ")]
    assert " to " not in row


def test_the_return_of_five_has_one() -> None:
    found = CliRunner().invoke(command, [*ARGUMENTS, "5", "--json", "-"])
    assert found.exit_code == 0, found.output
    summary = json.loads(found.output)["summary"]
    total, (part, *_) = summary["return"]["return"], summary["phase"].values()
    assert total["low"] <= total["mean"] <= total["high"]
    assert total["reason"] is None
    assert part["low"] is None
    assert "at least 300" in part["reason"]


def test_the_terminal_has_words_and_the_file_the_names_of_cc4() -> None:
    table = CliRunner().invoke(command, ["sleep", "--steps", "60", "--episodes", "2"]).output
    for words in ("cause: failed local work", "cause: failed accesses", "cause: red’s Impacts"):
        assert words in table
    assert "subnet: restricted zone A" in table and "LWF" not in table and "_zone_" not in table
    assert "−" in table and not re.search(r" -\d", table)
    text = CliRunner().invoke(command, [*ARGUMENTS, "2", "--json", "-"]).output
    assert list(json.loads(text)["summary"]["cause"]) == ["LWF", "ASF", "RIA", "action_cost"]
