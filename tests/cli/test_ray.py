"""What is played on a Ray cluster is what one process plays, bit for bit."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray

from cagexplain.analysis.studies.explained_run import explain_run, explain_runs, read_explained
from cagexplain.audit.play.main_numbers import MAIN
from cagexplain.audit.play.record import record
from cagexplain.audit.play.team import Play, Team
from cagexplain.cli.main import main
from cagexplain.common import cluster as clusters
from cagexplain.common.cluster import ATTEMPTS, Cluster
from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.envs import EnvParams
from cagexplain.policies.blocks import There
from cagexplain.policies.evaluation import evaluate
from cagexplain.policies.registry import load_policy
from cagexplain.policies.remedies import REMEDIES
from cagexplain.policies.wrappers.noise import NoisyAlerts
from cagexplain.tracing.recording import Recording
from tests.audit.play.test_record import FailsOn
from tests.support import fabricated
from tests.support.mortal import Mortal, double, threads
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SHORT = ["--episodes", "6", "--episode-length", "40", "--batch", "2"]
TIMES = ("seconds", "decision_time")
TUNED = ROOT / "cagexplain" / "data" / "ippo_tuned.pt"
SEEDS = np.arange(6)
PARAMS = EnvParams(steps=40)
# A shell's background jobs ignore it, and so does what they start.
HEAR_CTRL_C = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
WITH_RAY = ["evaluate", "trace", "audit", "surrogate"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Of two cores; commands that ask for one take this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # workers import the tests
        ray.init(address="local", num_cpus=2, log_to_driver=False)
        with Cluster("auto") as joined:
            yield joined
        assert ray.is_initialized()  # whoever joins a cluster first leaves it, nobody else
        ray.shutdown()


def called(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def same_trace(here: Path, there: Path) -> None:
    files = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    assert sum(file.suffix == ".parquet" for file in files) > 10
    for file in files:
        if file.name == "manifest.json":
            one, other = (json.loads((folder / file).read_text()) for folder in (here, there))
            assert one | {"created": None} == other | {"created": None}
        else:
            assert (here / file).read_bytes() == (there / file).read_bytes(), file


# --- jobs ---------------------------------------------------------------------------------------


def test_all_jobs_are_done(cluster: Cluster) -> None:
    assert sorted(cluster.each(double, {}, range(9))) == [(i, 2 * i) for i in range(9)]
    assert cluster.slots == 2


def test_a_job_has_one_thread(cluster: Cluster) -> None:
    assert dict(cluster.each(threads, None, range(4))) == dict.fromkeys(range(4), 1)


def test_a_job_whose_worker_dies_is_done_again(cluster: Cluster, tmp_path: Path) -> None:
    shared = {"deadly": (1, 3), "deaths": tmp_path, "most": ATTEMPTS - 1}
    assert dict(cluster.each(double, shared, range(5))) == {i: 2 * i for i in range(5)}
    for job in shared["deadly"]:
        assert len(set((tmp_path / str(job)).read_text().split())) == ATTEMPTS - 1


def test_a_job_that_always_kills_its_worker_is_given_up(cluster: Cluster, tmp_path: Path) -> None:
    shared = {"deadly": (1,), "deaths": tmp_path, "most": ATTEMPTS + 9}
    with pytest.raises(CagexplainError, match=rf"--ray: 1: {ATTEMPTS} workers died"):
        dict(cluster.each(double, shared, range(3)))
    assert len((tmp_path / "1").read_text().split()) == ATTEMPTS


def test_an_error_of_the_work_comes_back_as_it_is(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is cancelled: of a task that is just ending, that ends this process (Ray 2.60)."""
    monkeypatch.setattr(ray, "cancel", lambda *_, **__: pytest.fail("a task was cancelled"))
    error = UsageError("too small", where="x.json", remedy="Grow it")
    with pytest.raises(UsageError, match=r"x.json: too small. Grow it.") as caught:
        dict(cluster.each(double, {"failing": (1,), "error": error}, range(3)))
    assert caught.value.exit_code == 2
    with pytest.raises(ZeroDivisionError):
        dict(cluster.each(double, {"failing": (1,), "error": ZeroDivisionError()}, range(3)))


def test_nodes_with_other_versions_are_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "_versions", lambda: {"cagexplain": "0.0"})
    with pytest.raises(CagexplainError, match=r"has cagexplain .*, and this machine has 0.0"):
        dict(cluster.each(double, {}, range(3)))


# --- commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["expert", "ippo_tuned"])
def test_evaluation_is_that_of_one_process(cluster: Cluster, policy: str, tmp_path: Path) -> None:
    for name, where in (("here", []), ("there", ["--ray", "auto"])):
        assert called("evaluate", policy, *SHORT, *where, "--json", tmp_path / name) == 0
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_code_of_others_plays_on_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "theirs" / "others.py"
    file.parent.mkdir()
    file.write_text("def act(agent, observation, mask):\n    return int(observation.sum()) % 3\n")
    there = ["evaluate", f"{file}:act", *SHORT, "--ray", "auto"]
    assert called(*there) == 2  # not without trust
    for name, where in (("here", []), ("there", ["--ray", "auto"])):
        trusted = ["--trust-code", *where, "--json", str(tmp_path / name)]
        assert called("evaluate", f"{file}:act", *SHORT, *trusted) == 0
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


@pytest.mark.parametrize("policy", ["expert", "ippo_tuned"])
def test_trace_is_that_of_one_process(cluster: Cluster, policy: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    assert called("trace", policy, *SHORT, "-o", here) == 0
    assert called("trace", policy, *SHORT, "-o", there, "--ray", "auto") == 0
    same_trace(here, there)


def test_one_process_resumes_what_a_cluster_began(cluster: Cluster, tmp_path: Path) -> None:
    """And the other way round; each finds the first part missing, and keeps the others."""
    for name, resumed in (("there", []), ("here", ["--ray", "auto"])):
        begun = ["trace", "expert", *SHORT, "-o", tmp_path / name]
        assert called(*begun, *([] if resumed else ["--ray", "auto"])) == 0
        for path in (tmp_path / name).glob("*/part-000000.parquet"):
            path.unlink()
        kept = tmp_path / name / "steps" / "part-000001.parquet"
        before = kept.stat().st_mtime_ns
        assert called(*begun, "--resume", *resumed) == 0
        assert kept.stat().st_mtime_ns == before
    same_trace(tmp_path / "here", tmp_path / "there")


def test_episodes_of_a_killed_worker_are_played_again(cluster: Cluster, tmp_path: Path) -> None:
    policy = load_policy("expert")
    mortal = Mortal(policy, 3, tmp_path / "deaths")
    steps: list[int] = []
    place = There(cluster, steps.append)
    there = evaluate(mortal, SEEDS, PARAMS, batch=2, place=place)
    assert (tmp_path / "deaths").exists()
    assert there.to_json() == evaluate(policy, SEEDS, PARAMS).to_json()
    assert sum(steps) == len(SEEDS) * 39
    Recording(tmp_path / "here", policy, SEEDS, PARAMS, batch=2).run()
    mortal = Mortal(policy, 3, tmp_path / "more deaths", ATTEMPTS - 1)
    Recording(tmp_path / "there", mortal, SEEDS, PARAMS, batch=2).run(place=place)
    same_trace(tmp_path / "here", tmp_path / "there")


def test_episodes_that_kill_every_worker_are_named(cluster: Cluster, tmp_path: Path) -> None:
    mortal = Mortal(load_policy("expert"), 3, tmp_path / "deaths", 99)
    recording = Recording(tmp_path / "trace", mortal, SEEDS, PARAMS, batch=2)
    with pytest.raises(CagexplainError, match=r"episodes of seeds 2 to 3: 4 workers died"):
        recording.run(place=There(cluster))
    assert not recording.manifest.finished
    policy = load_policy("expert")  # what was finished is kept, and can be gone on with
    Recording(tmp_path / "trace", policy, SEEDS, PARAMS, batch=2, resume=True).run()
    Recording(tmp_path / "here", policy, SEEDS, PARAMS, batch=2).run()
    same_trace(tmp_path / "here", tmp_path / "trace")


def test_an_audit_records_what_a_policy_does_before_it_fails(
    cluster: Cluster, tmp_path: Path
) -> None:
    policy = FailsOn(2, 5)
    here = record(tmp_path / "here", policy, SEEDS, PARAMS, batch=2)
    there = record(tmp_path / "there", policy, SEEDS, PARAMS, batch=2, place=There(cluster))
    assert set(here.failed) == {2, 5}
    assert here.failed == there.failed
    same_trace(tmp_path / "here", tmp_path / "there")


def without(document: Any, *names: str) -> Any:
    """A document without what differs between any two runs of a command."""
    if isinstance(document, dict):
        return {key: without(value, *names) for key, value in document.items() if key not in names}
    if isinstance(document, list):
        return [without(value, *names) for value in document]
    return document


def test_audit_is_that_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    amounts = ["--prices", "0", "--variations", "2", "--moments", "0"]
    for name, where in (("here", []), ("there", ["--ray", "auto"])):
        assert called("audit", "reactive", *SHORT, *amounts, *where, "-o", tmp_path / name) == 0
    same_trace(tmp_path / "here" / "trace", tmp_path / "there" / "trace")
    here, there = (
        without(
            json.loads((tmp_path / name / "audit.json").read_text()),
            "command",
            "created",
            "recorded",
            "trace",
        )
        for name in ("here", "there")
    )
    assert here["variations"]
    assert here == there


def test_teams_count_as_in_one_process(cluster: Cluster) -> None:
    """Prices, variations and values of actions are made of such plays."""
    policies = {name: load_policy(name) for name in ("reactive", "ippo_tuned")}
    noisy = partial(NoisyAlerts, drop=0.25)
    plays = [
        Play("reactive", SEEDS, MAIN, PARAMS, REMEDIES[:2]),
        Play("ippo_tuned", SEEDS, params=PARAMS, wrapped=noisy),
    ]
    steps: list[int] = []
    with Team(policies) as here, Team(policies, cluster, steps.append) as there:
        for one, other in zip(here.play(plays), there.play(plays), strict=True):
            np.testing.assert_equal(vars(one), vars(other))
    assert sum(steps) == 2 * len(SEEDS) * 39


def test_audit_of_a_trace_plays_on_the_cluster(cluster: Cluster, tmp_path: Path) -> None:
    """With as many workers at once as are asked for."""
    assert called("trace", "reactive", *SHORT, "-o", tmp_path / "trace") == 0
    amounts = ["--prices", "0", "--variations", "2", "--moments", "0", "--workers", "1"]
    command = ["audit", tmp_path / "trace", *amounts, "-o", tmp_path / "audit"]
    assert called(*command, "--ray", "auto") == 0
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["variations"]


def test_trees_are_those_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    small = ["--episodes", "20", "--fit-episodes", "4", "--rounds", "1", "--leaves", "4"]
    for name, where in (("here", []), ("there", ["--ray", "auto"])):
        output = ["--episode-length", "40", "-o", tmp_path / name]
        assert called("surrogate", "reactive", *small, *output, *where) == 0
    trees = [(tmp_path / name / "tree.json").read_bytes() for name in ("here", "there")]
    assert trees[0] == trees[1]
    here, there = (
        without(json.loads((tmp_path / name / "surrogate.json").read_text()), *TIMES)
        for name in ("here", "there")
    )
    assert here == there


def test_explained_runs_are_those_of_one_process(cluster: Cluster) -> None:
    runs = [(TUNED, PARAMS), (TUNED, EnvParams(steps=30, red="impact"))]
    steps: list[int] = []
    there = dict(explain_runs(runs, 3, cluster, steps.append))
    assert there == {i: explain_run(TUNED, 3, params) for i, (_, params) in enumerate(runs)}
    assert sum(steps) == 2 * 3 * (39 + 29)


def test_a_study_is_explained_on_the_cluster(
    cluster: Cluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    fabricated.study(folder, {"ippo": [-300.0]}, configs={"ippo": {"red": "finite_state"}})
    (run,) = (folder / "runs").glob("*/seed-*")
    shutil.copy(TUNED, run / "ckpt.pt")
    assert called("study", "explain", folder, "--episodes", "10", "--ray", "auto") == 0
    assert f"{run}\n" in capsys.readouterr().out
    assert read_explained(run) == explain_run(TUNED, 10, EnvParams())


# --- without a cluster --------------------------------------------------------------------------


def alone(*arguments: str | Path, code: str = "pass") -> list[str]:
    """A command in a process that has not joined a cluster."""
    call = f"import sys; {code}; from cagexplain.cli.main import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", call, *map(str, arguments)]


@pytest.mark.parametrize("command", WITH_RAY)
@pytest.mark.parametrize(
    ("code", "status", "told"),
    [
        ("sys.modules['ray'] = None", 2, "Error: --ray: Ray is not installed."),
        ("pass", 1, "Error: --ray: no Ray cluster answers at '127.0.0.1:9' (Connection refused)"),
    ],
)
def test_one_error_where_there_is_no_cluster(
    command: str, code: str, status: int, told: str, tmp_path: Path
) -> None:
    output = [] if command == "evaluate" else ["-o", tmp_path / "out"]
    line = alone(command, "sleep", *output, "--ray", "127.0.0.1:9", code=code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert (ended.returncode, ended.stdout) == (status, ""), ended.stderr
    assert ended.stderr.startswith(told) and ended.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_what_is_finished(tmp_path: Path) -> None:
    """As often as it takes, the same command goes on, and the trace is that of one process."""
    there = tmp_path / "there"
    line = ["trace", "expert", "--episodes", "40", "--batch", "1", "-o", there]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        alone(*line, "--ray", "local", "--workers", "1", code=HEAR_CTRL_C),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(there.glob("*/part-000002.parquet")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "of 40 episodes are in" in said and "Interrupted." in said
    assert not list(there.rglob("*.tmp"))
    assert 2 <= json.loads((there / "manifest.json").read_text())["episodes"]["finished"] < 40
    assert called(*line, "--resume") == 0
    assert called(*line[:-1], tmp_path / "here") == 0
    same_trace(tmp_path / "here", there)
