"""The official evaluation script, run on an exported folder, against the engine's numbers."""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cagexplain.common.errors import CagexplainError
from cagexplain.export import evaluation_script
from cagexplain.export.checking import run
from cagexplain.policies.base import Policy
from cagexplain.policies.evaluation import evaluate_official

EPISODES: Final = 2
"""The script cannot play a single one: it wants a standard deviation."""
SEED: Final = 0
"""Of the generator that draws the worlds; an exported team begins with this seed, too."""


@dataclass(frozen=True)
class Score:
    """What the script reports.

    Attributes:
        mean, stdev: of the episodes' returns, as the script has them.
    """

    mean: float
    stdev: float


def expected(policy: Policy) -> Score:
    """The score by our simulator. The team's seeds are 0, 1, ..., as they are here for `SEED`."""
    mean, stdev = evaluate_official(policy, SEED, EPISODES).official()
    assert stdev is not None  # of more than one episode
    return Score(mean, stdev)


def score(folder: Path, cyborg: Path | None) -> Score:
    """What the official script, unmodified, reports about a folder.

    Args:
        folder: with `submission.py`.
        cyborg: folder that holds the package CybORG; None if it is installed.

    Raises:
        CagexplainError: the script failed.
    """
    with tempfile.TemporaryDirectory() as output:
        options = ["--seed", str(SEED), "--max-eps", str(EPISODES)]
        run(
            [
                sys.executable,
                "-Bm",
                evaluation_script.__name__,
                str(cyborg.resolve()) if cyborg else "",
                str(folder.absolute()),
                output,
                *options,
            ],
            folder,
        )
        reward = json.loads((Path(output) / "summary.json").read_text("utf-8"))["reward"]
    return Score(reward["mean"], reward["stdev"])


def check(folder: Path, policy: Policy, cyborg: Path | None) -> Score:
    """The score of a folder by the official script, which has to be that of the engine.

    Raises:
        CagexplainError: it is another one, or the script failed.
    """
    ours, theirs = expected(policy), score(folder, cyborg)
    if ours != theirs:
        raise CagexplainError(
            f"the official evaluation gives the exported policy {theirs.mean} "
            f"(SD {theirs.stdev}), our simulator gives it {ours.mean} (SD {ours.stdev})",
            where=folder,
            remedy="Report it with the policy's file: the two must be the same",
        )
    return theirs
