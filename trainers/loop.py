"""The run loop: rounds of play and learning, evaluation, checkpoints, resumption.

A run's folder holds::

    ckpt.pt        the weights that did best in evaluation: the policy to use
    last.pt        the weights of the last evaluation (or of the moment of an interruption)
    resume.pt      everything needed to continue
    config.json    the run's settings
    metrics.jsonl  one line per round
    tensorboard/   the same as scalars

A run is a function of its settings and seed: every random number follows from the seed and the
number of the round it is drawn in. So `resume.pt` needs no generator states, and a run that was
killed and resumed ends with the same weights, bit for bit, on the same machine.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final

import torch

import cagexplain
from cagexplain.cc4 import phases
from cagexplain.common.errors import CagexplainError
from cagexplain.common.files import prepare_output_dir, write_json
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.checkpoint import (
    Checkpoint,
    load_checkpoint,
    read_plain,
    save_checkpoint,
    write_plain,
)
from cagexplain.policies.rollout import EVALUATION_SEED
from cagexplain.policies.trained import TrainedPolicy
from trainers.clock import Clock
from trainers.config import RunConfig, check, from_plain
from trainers.display import Display
from trainers.evaluation import VALIDATION_SEED, Returns, evaluate, training_seeds
from trainers.logging import MetricsLog
from trainers.registry import Learner, find_algorithm, find_preset

BEST: Final = "ckpt.pt"
LAST: Final = "last.pt"
RESUME: Final = "resume.pt"

EnvFactory = Callable[[int, int], BatchedEnv]
"""(number of environments, threads) -> environments."""


def default_env(n_envs: int, threads: int) -> BatchedEnv:
    """CC4 as officially evaluated."""
    return BatchedEnv(n_envs, params=EnvParams(), threads=threads)


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        rounds, steps: finished rounds, and the environment steps made in them.
        seconds: spent, over all parts of a resumed run.
        best: best mean return in evaluation; None before the first evaluation.
        best_steps: when that was.
        evaluations: [steps, mean return] of each.
    """

    rounds: int = 0
    steps: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_steps: int = 0
    evaluations: list[list[float]] = field(default_factory=list)


class Run:
    """A training run in a folder; make one with `start` or `resume`, then call `train`."""

    def __init__(
        self,
        config: RunConfig,
        settings: Any,
        folder: Path,
        *,
        threads: int | None = None,
        make_env: EnvFactory = default_env,
    ) -> None:
        torch.set_num_threads(1)  # parallel work is split by hand, see PPO.pool
        self.config, self.settings, self.folder = config, settings, folder
        self.threads = threads or len(os.sched_getaffinity(0))
        self.make_env = make_env
        self.learner: Learner = find_algorithm(config.algorithm).make(
            settings, config.seed, self.threads
        )
        self.progress = Progress()

    def train(self) -> Checkpoint:
        """Train to the end; returns the best checkpoint, judged on fresh episodes.

        Raises:
            KeyboardInterrupt: the run was interrupted; its state has been saved.
        """
        env = self.make_env(self.settings.envs, self.threads)
        per_round = env.n_envs * phases.calls(env.params.steps)
        rounds = max(1, self.config.steps // per_round)
        progress = self.progress
        with (
            MetricsLog(self.folder, progress.rounds, progress.steps) as log,
            Display(rounds * per_round, progress.steps) as display,
        ):
            with _Interrupt() as interrupt:
                while progress.rounds < rounds:
                    row = self._round(env, rounds, per_round, display)
                    log.write(row)
                    display.update(progress.steps, row["return"], row["steps_per_second"])
                    if "evaluation" in row:
                        self._keep(row["evaluation"])
                    if interrupt.asked:
                        self._save(LAST)
                        self._save_resume()
                        display.note(f"Saved. Continue with --resume --out {self.folder}")
                        raise KeyboardInterrupt
            return self._judge(display)

    def _round(
        self, env: BatchedEnv, rounds: int, per_round: int, display: Display
    ) -> dict[str, float]:
        """Play and learn, evaluate when it is time; returns the metrics."""
        progress, clock, start = self.progress, Clock(), time.perf_counter()
        seeds = training_seeds(self.config.seed, progress.rounds, env.n_envs)
        metrics = self.learner.round(env, seeds, progress.rounds, rounds, clock)
        rate = per_round / (time.perf_counter() - start)
        before = progress.steps // self.config.eval_every
        progress.steps += per_round
        row = {
            "round": float(progress.rounds),
            "steps": float(progress.steps),
            "steps_per_second": rate,
            **metrics,
        }
        progress.rounds += 1
        if progress.steps // self.config.eval_every > before or progress.rounds == rounds:
            with clock("evaluation"):
                result = self._evaluate(
                    self._checkpoint(), VALIDATION_SEED, self.config.eval_episodes
                )
            row["evaluation"] = result.mean
            display.note(
                f"{progress.steps:>10,} steps: {result.mean:8.1f} ± {result.std:.1f} "
                f"over {len(result.episodes)} held-out episodes"
            )
        progress.seconds += time.perf_counter() - start
        return row | {f"seconds/{phase}": s for phase, s in clock.seconds.items()}

    def _keep(self, mean: float) -> None:
        """Save what an evaluation of the present weights asks for."""
        progress = self.progress
        progress.evaluations.append([float(progress.steps), mean])
        if progress.best is None or mean > progress.best:
            progress.best, progress.best_steps = mean, progress.steps
            self._save(BEST)
        self._save(LAST)
        self._save_resume()

    def _judge(self, display: Display) -> Checkpoint:
        """Play the best weights on episodes that had no part in choosing them."""
        best = load_checkpoint(self.folder / BEST)
        result = self._evaluate(best, EVALUATION_SEED, self.config.final_episodes)
        best.summary["final_return"] = result.mean
        best.summary["final_std"] = result.std
        best.summary["final_episodes"] = len(result.episodes)
        best.summary["seconds"] = self.progress.seconds
        save_checkpoint(self.folder / BEST, best)
        display.note(
            f"Best weights (after {best.summary['steps']:,} steps): {result.mean:.1f} ± "
            f"{result.std:.1f} over {len(result.episodes)} other held-out episodes, "
            f"{self.progress.seconds:.0f} s of training: {self.folder / BEST}"
        )
        return best

    def _evaluate(self, checkpoint: Checkpoint, first_seed: int, episodes: int) -> Returns:
        return evaluate(
            TrainedPolicy(checkpoint),
            first_seed,
            episodes,
            lambda n: self.make_env(n, self.threads),
        )

    def _checkpoint(self) -> Checkpoint:
        progress = self.progress
        return Checkpoint(
            algorithm=self.config.algorithm,
            variant=self.config.preset,
            config={**asdict(self.config), **asdict(self.settings)},
            weights=self.learner.weights(),
            summary={
                "steps": progress.steps,
                "seed": self.config.seed,
                "seconds": progress.seconds,
                "best_return": progress.best,
                "evaluations": progress.evaluations,
                "engine": {"name": "cagexplain", "version": cagexplain.__version__},
            },
        )

    def _save(self, name: str) -> None:
        save_checkpoint(self.folder / name, self._checkpoint())

    def _save_resume(self) -> None:
        write_plain(
            self.folder / RESUME,
            "resume file",
            {
                "run": asdict(self.config),
                "settings": asdict(self.settings),
                "progress": asdict(self.progress),
                "learner": self.learner.state(),
            },
        )


def start(
    config: RunConfig,
    settings: Any,
    folder: str | Path,
    *,
    threads: int | None = None,
    make_env: EnvFactory = default_env,
) -> Run:
    """A new run in a new or empty folder; CagexplainError if it holds anything."""
    check(config)
    check(settings)
    path = prepare_output_dir(folder)
    write_json(path / "config.json", {**asdict(config), **asdict(settings)})
    run = Run(config, settings, path, threads=threads, make_env=make_env)
    run._save_resume()  # from now on the folder can be resumed
    return run


def resume(
    folder: str | Path, *, threads: int | None = None, make_env: EnvFactory = default_env
) -> Run:
    """The run of a folder, as it was when its `resume.pt` was written; CagexplainError if none."""
    path = Path(folder)
    if not (path / RESUME).is_file():
        raise CagexplainError(
            f"there is no run to resume here (no {RESUME})",
            where=path,
            remedy="Give the folder of a run, or start one without --resume",
        )
    content = read_plain(path / RESUME, "resume file")
    try:
        config = from_plain(RunConfig, content["run"])
        kind = type(find_preset(config.algorithm, config.preset))
        settings = from_plain(kind, content["settings"])
        run = Run(config, settings, path, threads=threads, make_env=make_env)
        run.learner.load(content["learner"])
        run.progress = Progress(**content["progress"])
    except (TypeError, ValueError, LookupError, RuntimeError) as error:
        raise CagexplainError(
            f"the run cannot be continued ({type(error).__name__}: {error})",
            where=path / RESUME,
            remedy="Start it again in a new folder",
        ) from error
    return run


class _Interrupt:
    """Turns the first Ctrl-C (or SIGTERM) into a request, which is met after the present round.

    A second one takes effect at once; files are written whole, so nothing is damaged then either.
    """

    def __init__(self) -> None:
        self.asked = False

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> _Interrupt:
        self.before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
