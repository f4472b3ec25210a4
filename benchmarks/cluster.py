"""How much faster a second node of a Ray cluster makes the plays of a trained policy.

    python -m benchmarks.cluster [--episodes N] [--batch N] [--rounds N]

Starts a cluster whose nodes are processes of this machine, with a core each, and plays `evaluate`
and `trace` of the shipped `ippo_long` on one node and on two, in turns, so that other work on the
machine slows both; every gain is that of the fastest rounds, as other work can only add to them.
Before each turn all nodes record a few episodes, so that no program is loaded or compiled in the
timed part. The controls are that both play the same, and that a trace of one process has the
same bytes. Also measured: what one process takes without a cluster, how many bytes travel for an
episode, and how long this process is at a block that has come back. The claim is that two nodes
are at least 1.6 times as fast as one; it takes two cores that are free.
"""

import contextlib
import logging
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.command import COUNT, CannotMeasure, benchmark
from cagexplain.common.cluster import Cluster
from cagexplain.common.errors import UsageError
from cagexplain.envs import Engine, EnvParams
from cagexplain.policies.base import Policy
from cagexplain.policies.blocks import Here, Place, There
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.rollout import seed_range
from cagexplain.tracing.recording import Recording

LEAST_GAIN: Final = 1.6
POLICY: Final = "ippo_long"
SEED: Final = 5_000_000


@contextlib.contextmanager
def _joined() -> Iterator[Any]:
    """A cluster that this process has joined; it has one node, and no cores here."""
    try:
        import ray
        from ray.cluster_utils import Cluster as Nodes
    except ImportError as error:
        raise UsageError(
            "Ray is not installed", remedy="Install it with `pip install ray`"
        ) from error
    nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": 0})
    try:
        nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.ERROR)
        yield nodes
    finally:
        ray.shutdown()
        nodes.shutdown()


class _Plays:
    """What is timed. All plays of one kind must give the same, wherever they are."""

    def __init__(self, policy: Policy, episodes: int, batch: int, folder: Path) -> None:
        self._policy, self._batch, self._folder = policy, batch, folder
        self._seeds, self._params = seed_range(SEED, episodes), EnvParams()
        self._played: dict[str, list[object]] = {"evaluate": [], "trace": []}

    def evaluate(self, place: Place) -> None:
        """Play for the returns."""
        played = evaluate(self._policy, self._seeds, self._params, batch=self._batch, place=place)
        self._require_same("evaluate", played.returns.tolist())

    def trace(self, place: Place) -> None:
        """Play for a trace, of which the digests of all files are compared."""
        folder = self._folder / str(len(self._played["trace"]))
        recording = Recording(folder, self._policy, self._seeds, self._params, batch=self._batch)
        recording.run(place=place)
        files = [part.files for part in recording.manifest.parts]
        self.bytes = sum(file.bytes for part in files for file in part.values())
        self._require_same("trace", files)

    def _require_same(self, name: str, result: object) -> None:
        played = self._played[name]
        played.append(result)
        if result != played[0]:
            raise CannotMeasure(f"{name}: a cluster plays something else than one process")


@benchmark(__doc__)
@click.option("--episodes", type=COUNT, default=128, show_default=True, help="Of each play.")
@click.option("--batch", type=COUNT, default=16, show_default=True, help="Episodes of a block.")
@click.option("--rounds", type=COUNT, default=3, show_default=True, help="Plays of each kind.")
def command(episodes: int, batch: int, rounds: int) -> Sequence[str]:
    """See the module."""
    policy, here = load_policy(POLICY), Here(Engine(workers=1))
    times: dict[tuple[str, str], list[float]] = {}
    busy: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, _joined() as nodes:
        plays = _Plays(policy, episodes, batch, Path(folder) / "timed")
        warm = _Plays(policy, 4, 1, Path(folder) / "warm")

        def turn(where: str, place: Place) -> None:
            warm.trace(place)
            for name, play in {"evaluate": plays.evaluate, "trace": plays.trace}.items():
                start, used = time.perf_counter(), _used()
                play(place)
                times.setdefault((name, where), []).append(time.perf_counter() - start)
                if place is not here:
                    busy.setdefault(name, []).append(_used() - used)

        for _ in range(rounds):
            turn("one process", here)
            with Cluster(nodes.address) as cluster:
                turn("one node", There(cluster))
                second = nodes.add_node(num_cpus=1)
                while cluster.slots < 2:
                    time.sleep(0.1)
                turn("two nodes", There(cluster))
                nodes.remove_node(second)
                while cluster.slots > 1:
                    time.sleep(0.1)
    blocks = -(-episodes // batch)
    for (name, where), each in times.items():
        listed = ", ".join(f"{seconds:.1f}" for seconds in each)
        speed = episodes / min(each)
        click.echo(f"{name:8} {where:11} {min(each):6.1f} s, {speed:6.1f} episodes/s ({listed})")
    false = []
    for name, used in busy.items():
        alone, one, two = (min(times[name, w]) for w in ("one process", "one node", "two nodes"))
        click.echo(
            f"{name:8} one node takes {one / alone:.2f} times one process; two are "
            f"{one / two:.2f} times as fast as one; this process works "
            f"{1000 * min(used) / blocks:.1f} ms per block of {batch} episodes"
        )
        if one / two < LEAST_GAIN:
            false.append(
                f"{name}: two nodes are {one / two:.2f} times as fast as one, not {LEAST_GAIN}"
            )
    click.echo(f"a trace has {plays.bytes / episodes:,.0f} bytes per episode")
    return false


def _used() -> float:
    """Seconds that this process has worked."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    command()
