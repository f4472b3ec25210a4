"""The run loop: rounds of play and learning, evaluation, checkpoints, resumption.

A run's folder holds::

    config.json      the run's settings
    ckpt.pt          the weights that did best in evaluation: the policy to use
    last.pt          the weights of the last evaluation (or of the moment of an interruption)
    resume.pt        everything needed to continue
    metrics.parquet  one row per round (`trainers.core.logging`), up to the state in resume.pt
    tensorboard/     the same as scalars
    mlflow.json      the run of MLflow that goes with it (`trainers.core.mlflow_runs`), if any
    result.json      how the run ended (`trainers.core.result`); where it is, the run is finished

A run is a function of its settings and seed: every random number follows from the seed and the
number of the round it is drawn in. So `resume.pt` needs no generator states, and a run that was
killed and resumed ends with the same weights, bit for bit, on the same machine. Threads and device
are no part of the settings.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import torch

import cagexplain
from cagexplain.cc4 import phases
from cagexplain.cc4.reds import REDS, STANDARD, RedTable
from cagexplain.common import machine
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.common.files import prepare_output_dir, remove_leftovers, write_json
from cagexplain.common.locks import locked
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.policies.checkpoint import (
    Checkpoint,
    load_checkpoint,
    package_versions,
    read_plain,
    save_checkpoint,
    write_plain,
)
from cagexplain.policies.learned import networks
from cagexplain.policies.learned.trained import TrainedPolicy
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import EVALUATION_SEED
from trainers.core.clock import Clock
from trainers.core.config import RunConfig, check, from_plain, require_entries, tables
from trainers.core.display import Display
from trainers.core.evaluation import VALIDATION_SEED, Returns, evaluate, training_seeds
from trainers.core.health import Diverged, check_finite
from trainers.core.interrupts import interrupts
from trainers.core.logging import METRICS as METRICS
from trainers.core.logging import MetricsLog, Row
from trainers.core.result import RESULT as RESULT
from trainers.core.result import Count, Evaluation, RunResult, Spread, read_result, write_result
from trainers.core.stored import REMEDY, fitted
from trainers.registry import Learner, check_combination, find_algorithm, find_preset

CONFIG: Final = "config.json"
BEST: Final = "ckpt.pt"
LAST: Final = "last.pt"
RESUME: Final = "resume.pt"
DEVICES: Final = ("cpu", "cuda")
_QUICK: Final = 1.0
"""Seconds of saving that need no thought."""
_SAVING_SHARE: Final = 20
"""Training takes at least so many times as long as saving its state."""

EnvFactory = Callable[[int, int, Sequence[RedTable]], BatchedEnv]
"""(number of environments, threads, reds) -> environments."""


def default_env(
    n_envs: int, threads: int, reds: Sequence[RedTable] = (REDS[STANDARD],)
) -> BatchedEnv:
    """CC4 as officially evaluated, but for the attackers, which the environments take in turn."""
    params = [EnvParams(red=reds[i % len(reds)]) for i in range(n_envs)]
    return BatchedEnv(n_envs, params=params, threads=threads)


@dataclass
class Progress:
    """How far a run has come.

    Attributes:
        rounds, steps: finished rounds, and the environment steps made in them.
        gradient_steps: steps of an acting network's optimiser in them, the mean over the networks.
        seconds: spent in them, evaluation included, over all parts of a resumed run.
        best: best mean return in evaluation; None before the first evaluation.
        best_steps: when that was.
        evaluations: [steps, mean return] of each.
    """

    rounds: Count = 0
    steps: Count = 0
    gradient_steps: Spread = 0.0
    seconds: Spread = 0.0
    best: float | None = None
    best_steps: Count = 0
    evaluations: list[Evaluation] = field(default_factory=list)


class Run:
    """A training run in a folder; make one with `start` or `resume`, then call `train`."""

    def __init__(
        self,
        config: RunConfig,
        settings: Any,
        folder: Path,
        *,
        threads: int | None = None,
        device: str = "cpu",
        make_env: EnvFactory = default_env,
        track: str | None = None,
    ) -> None:
        _check_device(device)
        torch.set_num_threads(1)  # parallel work is split by hand, see the learners
        self.config, self.settings, self.folder = config, settings, folder
        self.threads = threads or machine.cores()
        self.make_env, self.track = make_env, track
        self.learner: Learner = find_algorithm(config.algorithm).make(
            settings, config.seed, self.threads, device
        )
        self.progress = Progress()
        self.stamp = _stamp(folder)
        self._saved, self._saving = time.perf_counter(), 0.0

    def train(self) -> RunResult:
        """Train to the end and judge the best weights; a finished run only tells its result.

        Raises:
            KeyboardInterrupt: the run was interrupted; its state has been saved.
            CagexplainError: learning diverged; what was saved before is untouched.
        """
        result = read_result(self.folder)
        if result is not None:
            print(f"This run is finished: {self._verdict(result)}")
            return result
        with locked(
            self.folder,
            "another process trains this run",
            remedy="Wait for its end, or stop it, then continue with --resume",
        ):
            self._require_latest()
            remove_leftovers(self.folder)
            self._require_best()
            return self._train()

    def _train(self) -> RunResult:
        """Train what is left, and judge the best weights."""
        env = self._env(self.settings.envs)
        per_round = env.n_envs * phases.calls(env.params.steps)
        rounds = self.config.rounds(per_round)
        progress = self.progress
        if progress.steps != progress.rounds * per_round:
            raise CagexplainError(
                f"{progress.rounds} rounds of {per_round:,} steps are not {progress.steps:,}",
                where=self.folder / RESUME,
                field="progress",
                remedy=REMEDY,
            )
        if rounds * per_round != self.config.steps:
            print(
                f"Training {rounds * per_round:,} steps, not {self.config.steps:,}: a round has "
                f"{per_round:,} ({env.n_envs} episodes of {per_round // env.n_envs})"
            )
        with (
            contextlib.closing(Display(rounds * per_round, progress.steps)) as display,
            contextlib.closing(self._log(display)) as log,
        ):
            with interrupts(display.end_soon) as asked:
                while progress.rounds < rounds:
                    row = self._round(env, rounds, per_round, display)
                    log.add(row)
                    display.update(progress.steps, row["return"], row["steps_per_second"])
                    if asked or ("evaluation" in row and self._saving_pays()):
                        self._save(log)
                    if asked:
                        display.note(f"Saved. Continue with --resume --output {self.folder}")
                        raise KeyboardInterrupt
            result = self._judge()
            display.note(self._verdict(result))
            return result

    def _log(self, display: Display) -> MetricsLog:
        return MetricsLog(
            self.folder,
            self.progress.rounds,
            self.progress.steps,
            display.note,
            track=self.track,
            settings={**asdict(self.config), **asdict(self.settings)},
        )

    def _round(self, env: BatchedEnv, rounds: int, per_round: int, display: Display) -> Row:
        """Play and learn, evaluate when it is time; returns the metrics."""
        progress, clock, start = self.progress, Clock(), time.perf_counter()
        metrics = self._learn(env, rounds, clock)
        rate = per_round / (time.perf_counter() - start)
        before = progress.steps // self.config.eval_every
        row: Row = {"round": progress.rounds, "steps": progress.steps + per_round}
        row |= {"steps_per_second": rate, **metrics}
        progress.steps += per_round
        progress.gradient_steps += metrics["gradient_steps"]
        progress.rounds += 1
        if progress.steps // self.config.eval_every > before or progress.rounds == rounds:
            with clock("evaluation"):
                result = self._evaluate(
                    self._checkpoint(), VALIDATION_SEED, self.config.eval_episodes
                )
            row["evaluation"] = result.mean
            display.note(
                f"{progress.steps:>10,} steps: {result.mean:8.1f} ± {result.std:.1f} (SD) "
                f"over {len(result.episodes)} held-out episodes"
            )
        progress.seconds += time.perf_counter() - start
        if "evaluation" in row:
            self._rank(row["evaluation"])
        return row | {f"seconds/{phase}": s for phase, s in clock.seconds.items()}

    def _learn(self, env: BatchedEnv, rounds: int, clock: Clock) -> dict[str, float]:
        """The learner's round, refused if it has led nowhere."""
        progress = self.progress
        seeds = training_seeds(self.config.seed, progress.rounds, env.n_envs)
        try:
            metrics = self.learner.round(env, seeds, progress.rounds, rounds, clock)
            for name, value in metrics.items():
                check_finite(name, value)
            check_finite("weights", self.learner.weights())
        except Diverged as error:
            holders = f"{BEST} and {RESUME} hold" if progress.evaluations else f"{RESUME} holds"
            raise CagexplainError(
                f"learning diverged in round {progress.rounds}, begun after {progress.steps:,} "
                f"steps: {error}. Nothing of it was saved: {holders} the last good state",
                where=self.folder,
                remedy="Start a new run with a lower learning_rate or reward_scale; this one, "
                "resumed, would come to the same",
            ) from error
        return metrics

    def _rank(self, mean: float) -> None:
        """Take note of an evaluation of the present weights; keep them if they are the best."""
        progress = self.progress
        progress.evaluations.append([progress.steps, mean])
        if progress.best is None or mean > progress.best:
            progress.best, progress.best_steps = mean, progress.steps
            save_checkpoint(self.folder / BEST, self._checkpoint())

    def _require_latest(self) -> None:
        """Notice that somebody else has trained on since this state was read."""
        if _stamp(self.folder) != self.stamp:
            raise CagexplainError(
                "another process has continued this run in the meantime",
                where=self.folder,
                remedy="Call the same again, with --resume",
            )

    def _require_best(self) -> None:
        """Notice before the training, not after it, that what it is to be judged by is lost."""
        if self.progress.best is None:
            return
        try:
            load_checkpoint(self.folder / BEST)
        except CagexplainError as error:
            raise CagexplainError(
                f"the best weights of this run are lost ({error.problem})",
                where=self.folder / BEST,
                remedy="Put the file back, or start the run again in a new folder",
            ) from error

    def _fitted(self, stored: Any) -> dict[str, Any]:
        """A learner's stored state, if it has the form of this one's.

        A replay memory looks at its own: its form depends on what it remembers.
        """
        ours, memory = self.learner.state(), {}
        if isinstance(stored, dict) and ours.pop("memory", None) is not None:
            memory = {key: part for key, part in stored.items() if key == "memory"}
            stored = {key: part for key, part in stored.items() if key != "memory"}
            rounds, steps = self.progress.rounds, self.progress.steps
            if not memory and steps + steps // max(1, rounds) <= self.config.steps:
                raise LookupError("the replay memory is missing, and training is not over")
        learner: dict[str, Any] = fitted(ours, stored, self.folder / RESUME, "learner")
        return learner | memory

    def _judge(self) -> RunResult:
        """Play the best weights on episodes that had no part in choosing them."""
        best, progress = load_checkpoint(self.folder / BEST), self.progress
        returns = self._evaluate(best, EVALUATION_SEED, self.config.final_episodes)
        chance = evaluate(
            load_policy("random"), EVALUATION_SEED, self.config.final_episodes, self._env
        )
        result = RunResult(
            algorithm=self.config.algorithm,
            preset=self.config.preset,
            seed=self.config.seed,
            steps=progress.steps,
            gradient_steps=progress.gradient_steps,
            seconds=progress.seconds,
            steps_per_second=progress.steps / max(progress.seconds, 1e-9),
            best_steps=progress.best_steps,
            evaluations=progress.evaluations,
            final_mean=returns.mean,
            final_std=returns.std,
            final_returns=returns.episodes.tolist(),
            random_mean=chance.mean,
            versions=package_versions(),
        )
        best.summary |= {
            "final_return": result.final_mean,
            "final_std": result.final_std,
            "final_episodes": len(result.final_returns),
            "seconds": result.seconds,
        }
        save_checkpoint(self.folder / BEST, best)
        write_result(self.folder, result)
        self._save_resume(keep_memory=False)  # which may be large, and nobody learns from any more
        return result

    def _verdict(self, result: RunResult) -> str:
        below = f", BELOW RANDOM PLAY ({result.random_mean:.1f})" if result.below_random else ""
        return (
            f"best weights (after {result.best_steps:,} steps): {result.final_mean:.1f} ± "
            f"{result.final_std:.1f} (SD) over {len(result.final_returns)} other held-out episodes"
            f"{below}, {result.gradient_steps:,.0f} gradient steps, "
            f"{result.seconds:.0f} s of training: {self.folder / BEST}"
        )

    def _env(self, n_envs: int) -> BatchedEnv:
        return self.make_env(n_envs, self.threads, tables(self.config.red))

    def _evaluate(self, checkpoint: Checkpoint, first_seed: int, episodes: int) -> Returns:
        """Play a checkpoint, on the CPU."""
        return evaluate(TrainedPolicy(checkpoint), first_seed, episodes, self._env)

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

    def _saving_pays(self) -> bool:
        """Whether the state is quickly saved, or the training since the last time took longer by
        far: with a replay memory, it is gigabytes."""
        long_ago = time.perf_counter() - self._saved
        return self._saving < _QUICK or long_ago > _SAVING_SHARE * self._saving

    def _save(self, log: MetricsLog) -> None:
        """Save the present state; the file that a resumed run goes by comes last."""
        save_checkpoint(self.folder / LAST, self._checkpoint())
        log.save()
        began = time.perf_counter()
        self._save_resume()
        self._saved = time.perf_counter()
        self._saving = self._saved - began

    def _save_resume(self, *, keep_memory: bool = True) -> None:
        learner = self.learner.state()
        if not keep_memory:
            learner.pop("memory", None)
        write_plain(
            self.folder / RESUME,
            "resume file",
            {
                "run": asdict(self.config),
                "settings": asdict(self.settings),
                "progress": asdict(self.progress),
                "learner": learner,
            },
        )
        self.stamp = _stamp(self.folder)


def start(
    config: RunConfig,
    settings: Any,
    folder: str | Path,
    *,
    threads: int | None = None,
    device: str = "cpu",
    make_env: EnvFactory = default_env,
    track: str | None = None,
) -> Run:
    """A new run in a new or empty folder.

    Args:
        config, settings: of the run.
        folder: created if it does not exist.
        threads: processor cores to use; None takes all. They do not change the result.
        device: one of DEVICES, for learning; evaluation is always on the CPU.
        make_env: the environments.
        track: where MLflow tracks the run, as ``mlflow:URI``; None: nowhere.

    Raises:
        UsageError: settings out of range or that do not go together; no such device.
        CagexplainError: the folder holds something.
    """
    check(config)
    check(settings)
    check_combination(config.algorithm, settings)
    if (Path(folder) / RESUME).exists():
        raise CagexplainError(
            "there is a run in this folder already",
            where=folder,
            remedy="Continue it with --resume, or give a new folder",
        )
    run = Run(
        config,
        settings,
        Path(folder),
        threads=threads,
        device=device,
        make_env=make_env,
        track=track,
    )
    prepare_output_dir(folder)  # last, so that what is refused leaves nothing behind
    try:
        write_json(run.folder / CONFIG, {**asdict(config), **asdict(settings)})
        run._save_resume()  # from now on the folder can be resumed
    except BaseException:
        (run.folder / CONFIG).unlink(missing_ok=True)  # until then, it can be used again
        raise
    return run


def resume(
    folder: str | Path,
    *,
    threads: int | None = None,
    device: str = "cpu",
    make_env: EnvFactory = default_env,
    track: str | None = None,
) -> Run:
    """The run of a folder, as it was when its `resume.pt` was written.

    Args:
        folder, threads, device, make_env, track: see `start`. A run that was tracked goes on in its
            run of MLflow if `track` is given again.

    Raises:
        UsageError: no such device.
        CagexplainError: there is no run, or it cannot be continued by this version.
    """
    path = Path(folder)
    if not (path / RESUME).is_file():
        raise CagexplainError(
            f"there is no run to resume here (no {RESUME})",
            where=path,
            remedy="Give the folder of a run, or start one without --resume",
        )
    stamp = _stamp(path)
    content = read_plain(path / RESUME, "resume file")
    learner = content.pop("learner", None)
    stored = convert(content, _Stored, path / RESUME, remedy=REMEDY)
    require_entries(Progress, content["progress"], path / RESUME)
    _require_ranked(stored.progress, path / RESUME)
    config = from_plain(RunConfig, stored.run, path / RESUME)
    try:
        kind = type(find_preset(config.algorithm, config.preset))
        settings = from_plain(kind, stored.settings, path / RESUME)
        check_combination(config.algorithm, settings)
    except UsageError as error:  # nobody has used anything wrongly here
        raise _unfit(path, error) from error
    if networks.actor_bytes(vars(settings)) > (path / RESUME).stat().st_size:
        raise _unfit(path, ValueError("it is smaller than the networks of its settings"))
    run = Run(
        config,
        settings,
        path,
        threads=threads,
        device=device,
        make_env=make_env,
        track=track,
    )
    run.progress, run.stamp = stored.progress, stamp
    if read_result(path) is None:
        try:
            run.learner.load(run._fitted(learner))
        except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
            raise _unfit(path, error) from error
    return run


@dataclass(frozen=True)
class _Stored:
    """What `resume.pt` holds besides the learner's state."""

    run: dict[str, Any]
    settings: dict[str, Any]
    progress: Progress


def _require_ranked(progress: Progress, file: Path) -> None:
    """Refuse a best evaluation that is not the best of the evaluations."""
    evaluations: list[Any] = progress.evaluations
    steps, mean = max(evaluations, key=lambda evaluation: evaluation[1], default=(0, None))
    if (progress.best_steps, progress.best) != (steps, mean):
        raise CagexplainError(
            f"the best evaluation is {mean} after {steps:.0f} steps, not {progress.best} after "
            f"{progress.best_steps}",
            where=file,
            field="progress.best",
            remedy=REMEDY,
        )


def _unfit(folder: Path, error: Exception) -> CagexplainError:
    return CagexplainError(
        f"the run cannot be continued ({type(error).__name__}: {error})",
        where=folder / RESUME,
        remedy=REMEDY,
    )


def _stamp(folder: Path) -> tuple[int, int] | None:
    """What changes whenever `resume.pt` is written."""
    try:
        status = os.stat(folder / RESUME)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _check_device(device: str) -> None:
    if device not in DEVICES:
        raise UsageError(
            f"{device!r} is unknown", field="device", remedy=f"Give {' or '.join(DEVICES)}"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "PyTorch finds no CUDA device",
            field="device",
            remedy="Use --device cpu, or install a PyTorch build that fits this machine's GPU",
        )
