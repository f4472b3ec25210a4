"""Both simulators on the same seeds with the same actions, compared after every step.

An episode's proof can be kept: a recording holds what was submitted and, of CybORG, the
observations, rewards and a digest of everything else, so that the engine can be checked against it
where there is no CybORG.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cagexplain.cc4 import phases
from cagexplain.common import machine
from cagexplain.common.errors import CagexplainError
from cagexplain.common.processes import spawning
from cagexplain.envs import BatchedEnv, Engine, Env, EnvParams
from cagexplain.fidelity import view
from cagexplain.fidelity.probes import PROBES, Prober
from cagexplain.fidelity.recording import Recording, write_recording
from cagexplain.policies.base import decide
from cagexplain.policies.external.forms import Opening

LAST_DRAWS: Final = 8
"""Random draws shown with a difference."""
_FAR: Final = 20_000
"""Words of the generator within which two states are looked for; a step takes about 300."""


@dataclass(frozen=True)
class Job:
    """One episode to compare.

    Attributes:
        policy: a built-in policy, a checkpoint's path, or one of ``probes.PROBES``.
        seed: of the episode.
        params: of the environment.
        deterministic: how a trained policy acts; None: as its training evaluated it.
        cyborg_path: folder of CybORG, if it is not installed.
        record: folder to keep a recording in.
        opening: how a policy of others is opened.
    """

    policy: str
    seed: int
    params: EnvParams
    deterministic: bool | None = None
    cyborg_path: Path | None = None
    record: Path | None = None
    opening: Opening = field(default_factory=Opening)


@dataclass(frozen=True)
class FirstDifference:
    """The first difference of an episode.

    Attributes:
        step: number of calls made; 0 is the reset.
        fields: names of all entries that differ, most telling first.
        ours, theirs: values of the first of them.
        draws: what is known of the draws of the step, in lines.
    """

    step: int
    fields: tuple[str, ...]
    ours: Any
    theirs: Any
    draws: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobOutcome:
    """What became of a job: steps compared, the official return, and the first difference."""

    job: Job
    steps: int
    entries: int
    returned: int
    difference: FirstDifference | None


class _Player:
    """Gives the submissions of a job's policy, whatever kind it is."""

    def __init__(self, job: Job) -> None:
        self._probe = Prober(job.policy, job.seed) if job.policy in PROBES else None
        if self._probe is None:
            from cagexplain.policies.registry import load_policy

            self._policy = load_policy(
                job.policy, deterministic=job.deterministic, opening=job.opening
            )
            self._policy.reset(np.array([job.seed]))
            if self._policy.kind == "checkpoint":
                import torch

                torch.set_num_threads(1)  # one process per core: threads would only wait

    def act(self, env: Env) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8] | None]:
        if self._probe is not None:
            return self._probe.act(env)
        decision = decide(self._policy, env)
        return decision.actions, decision.messages


def compare(job: Job) -> JobOutcome:
    """Play one episode in both simulators, to its end or to the first difference."""
    ours = BatchedEnv(1, params=job.params, threads=1)
    theirs = _cyborg(job)
    player = _Player(job)
    recording = Recording.begin(job.policy, job.seed, job.params, job.cyborg_path)
    calls = phases.calls(job.params.steps)
    returned = entries = 0
    submitted: list[tuple[Any, Any]] = []
    ours.reset([job.seed])
    theirs.reset([job.seed])
    for step in itertools.count():
        our_view, their_view = view.of(ours, 0), view.of(theirs, 0)
        entries += len(their_view)
        recording.note(theirs, their_view)
        differing = view.differences(our_view, their_view)
        if differing:
            name = differing[0]
            difference = FirstDifference(
                step,
                tuple(differing),
                our_view.get(name),
                their_view.get(name),
                tuple(_draws(job, submitted, ours)),
            )
            return JobOutcome(job, step, entries, returned, difference)
        if step == calls:
            break
        actions, messages = player.act(ours)
        submitted.append((actions.copy(), messages))
        recording.submit(actions[0], None if messages is None else messages[0])
        ours.step(actions, messages)
        theirs.step(actions, messages)
        if step < calls - phases.OFFICIAL_UNCOUNTED:
            returned += int(theirs.reward[0])
    if job.record is not None:
        write_recording(job.record, recording)
    return JobOutcome(job, calls, entries, returned, None)


def run(jobs: Sequence[Job], workers: int | None = None) -> Iterator[JobOutcome]:
    """Compare many episodes in parallel processes; outcomes come as they finish.

    Raises:
        CagexplainError: CybORG failed, or a process died; the outcomes before it were given.
    """
    n_workers = min(workers or machine.cores(), len(jobs))
    if n_workers == 1:
        yield from map(compare, jobs)
        return
    with ProcessPoolExecutor(n_workers, mp_context=spawning()) as pool:
        running = {pool.submit(compare, job): job for job in jobs}
        waiting = dict(running)
        try:
            for future in as_completed(running):
                yield future.result()
                del waiting[future]
        except BrokenProcessPool as error:
            # Jobs are begun in their order, so the first ones that wait were being played.
            played = list(waiting.values())[:n_workers]
            named = " or ".join(
                f"{job.policy}, {job.params.red_name}, seed {job.seed}" for job in played
            )
            raise CagexplainError(
                f"a process died while it compared {named}",
                where="lockstep",
                remedy="look for the reason (memory?) and rerun the seeds that are missing",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def replay(recording: Recording) -> FirstDifference | None:
    """Play a recorded episode in the engine; the first difference from the record, if any."""
    env = BatchedEnv(1, params=recording.params, threads=1)
    env.reset([recording.seed])
    for step in range(len(recording.digests)):
        if step > 0:
            env.step(recording.actions[step - 1 : step], recording.messages[step - 1 : step])
        our_view = view.of(env, 0)
        checks: tuple[tuple[str, Any, Any], ...] = (
            ("obs", our_view["obs"], recording.obs[step].tolist()),
            ("reward", our_view["reward"], float(recording.rewards[step])),
            ("digest of everything", view.digest(our_view).hex(), recording.digests[step].hex()),
        )
        for name, ours, theirs in checks:
            if ours != theirs:
                return FirstDifference(step, (name,), ours, theirs)
    return None


def _cyborg(job: Job) -> Env:
    return Engine("cyborg", 1, job.cyborg_path).make(1, job.params)


def _draws(job: Job, submitted: list[tuple[Any, Any]], ours: BatchedEnv) -> list[str]:
    """How far each simulator moved the generator in the last step, and CybORG's last draws.

    The episode is played again in CybORG, this time listening to its generator.
    """
    from cagexplain.envs.cyborg.env import CybORGEnv

    again = CybORGEnv(1, params=job.params, workers=1, path=job.cyborg_path)
    log: deque[str] = deque(maxlen=LAST_DRAWS)
    again.listen(0, log.append)
    again.reset([job.seed])
    before = again.generator_state(0)
    for actions, messages in submitted:
        before = again.generator_state(0)
        again.step(actions, messages)
    moved = [_words(before, env.generator_state(0)) for env in (ours, again)]
    counts = [f"more than {_FAR:,}" if n is None else f"{n}" for n in moved]
    return [
        f"words drawn in this step: {counts[0]} by the engine, {counts[1]} by CybORG",
        *(f"CybORG's draw {k - len(log)}: {line}" for k, line in enumerate(log)),
    ]


def _words(before: dict[str, Any], after: dict[str, Any]) -> int | None:
    """64-bit words between two states of a generator."""
    generator = np.random.PCG64(0)
    generator.state = before  # type: ignore[assignment]  # a plain dictionary of that shape
    for n in range(_FAR):
        if generator.state["state"] == after["state"]:
            return n
        generator.random_raw()
    return None
