"""How a run ended, as a file that is written last: where it is, the run is finished."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from cagexplain.common.documents import read_json
from cagexplain.common.files import write_json

RESULT: Final = "result.json"

Count = Annotated[int, Meta(ge=0)]
Spread = Annotated[float, Meta(ge=0)]
Evaluation = Annotated[list[float], Meta(min_length=2, max_length=2)]
"""[steps, mean return]"""


@dataclass(frozen=True)
class RunResult:
    """How a run ended; the content of the file.

    Attributes:
        algorithm, preset, seed: of the run.
        steps, seconds, steps_per_second: made in training, evaluation included.
        gradient_steps: steps of an acting network's optimiser, the mean over the networks.
        best_steps: when the weights of `ckpt.pt` were reached.
        evaluations: [steps, mean return] of each evaluation on the way.
        final_mean, final_std: of the returns of these weights in `final_returns`, episodes that had
            no part in choosing them.
        random_mean: mean return of the policy `random` in the same episodes.
        versions: of the packages that decide what a run does.
    """

    algorithm: str
    preset: str
    seed: int
    steps: Count
    gradient_steps: Spread
    seconds: Spread
    steps_per_second: Spread
    best_steps: Count
    evaluations: list[Evaluation]
    final_mean: float
    final_std: Spread
    final_returns: Annotated[list[float], Meta(min_length=1)]
    random_mean: float
    versions: dict[str, str]

    @property
    def below_random(self) -> bool:
        """Whether the weights play worse than `random` in the same episodes."""
        return self.final_mean < self.random_mean


def write_result(folder: Path, result: RunResult) -> None:
    """Say that the run of a folder is finished."""
    write_json(folder / RESULT, asdict(result))


def read_result(folder: Path) -> RunResult | None:
    """The result of a finished run; None of another. CagexplainError if the file is damaged."""
    path = folder / RESULT
    if not path.exists():
        return None
    return read_json(
        path,
        RunResult,
        "result",
        remedy="Remove the file and continue the run, which judges it again",
    )
