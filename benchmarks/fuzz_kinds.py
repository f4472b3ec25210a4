"""The kinds of files that are spoilt: how a good one is made, spoilt, read, and judged.

A kind reads through the functions that the commands use. What it returns tells what the loaded
object says, so that a reader which accepts a spoilt file can be held to it: the object may say the
same, or something else that the file may legally say, and nothing else.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import json
import math
import os
import re
import typing
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

import jsonschema
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from torch import Tensor

from benchmarks import fuzz_tables
from benchmarks.fuzz_mutations import (
    MISSING,
    Rng,
    clean_text,
    deep_json,
    differences,
    one_of,
    plain_json,
    spoil_bytes,
    spoil_lines,
    spoil_plain,
    spoil_zip,
    to_json,
)
from cagexplain.analysis.decisions.replay import params_of, policy_of
from cagexplain.analysis.fsm import analyse as fsm
from cagexplain.analysis.fsm.circumstances import CircumstanceCounter
from cagexplain.analysis.fsm.counts import Counter
from cagexplain.analysis.fsm.dwell import DwellCounter
from cagexplain.analysis.metrics.collect import Collector as MetricsCollector
from cagexplain.analysis.reactions import counts as reaction_counts
from cagexplain.analysis.reactions import study_tables
from cagexplain.audit import baseline, document
from cagexplain.audit.checks import checks
from cagexplain.audit.conduct import conduct
from cagexplain.audit.profiles import RANGES, Profile, load_profile
from cagexplain.audit.references import load_references
from cagexplain.cc4 import actions, reds
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.reds import RedTable
from cagexplain.envs import BatchedEnv, EnvParams
from cagexplain.facts.batch import Collector, run
from cagexplain.policies.base import Policy
from cagexplain.policies.learned import features, messages, networks
from cagexplain.policies.registry import load_policy
from cagexplain.policies.trees.files import save_tree
from cagexplain.policies.trees.named_features import NAMES
from cagexplain.policies.trees.tree import Tree, TreePolicy
from cagexplain.tracing.recording import Recording
from cagexplain.tracing.trace import Trace, open_trace
from reports.exports import FORMATS
from reports.fsm.page import fsm_report
from trainers import registry
from trainers.core import loop
from trainers.core.config import RunConfig
from trainers.studies.definition import Study, read_study
from trainers.studies.jobs import study_jobs

Content = bytes | Callable[[Path], object]
"""What a file becomes: bytes, or what makes something else in its place."""
Files = Mapping[str, bytes]

STEPS: Final = 30
EPISODES: Final = 3
_CALLS: Final = STEPS - 1
_CHECKPOINT, _TREE, _RESUME = "ckpt.pt", "tree.json", "resume.pt"
_MANIFEST, _AUDIT, _PROFILE, _STUDY = "manifest.json", "audit.json", "profile.yaml", "study.yaml"


@dataclass(frozen=True)
class Case:
    """A spoilt input.

    Attributes:
        files: what changes, by path within the kind's folder.
        change: what was done, in a few words without numbers of rows, so that like cases are alike.
        legal: whether an object that says something else than the good one was legally made so.
    """

    files: Mapping[str, Content]
    change: str
    legal: Callable[[Any], bool] = lambda loaded: False


class Kind(Protocol):
    """A kind of input.

    Attributes:
        name: for ``--only``.
        share: of the inputs of a run.
    """

    name: str
    share: float

    def make(self, folder: Path) -> None:
        """Write the good files."""

    def case(self, files: Files, rng: Rng) -> Case:
        """Spoil good files."""

    def load(self, folder: Path) -> Any:
        """Read as the commands do."""

    def says(self, loaded: Any) -> str:
        """A digest of what the loaded object says."""

    def use(self, loaded: Any, number: int) -> None:
        """What the commands then do with an object that says something else than the good one."""


# --- what all kinds share ---


def digest(value: Any) -> str:
    """SHA-256 over the types and values of nested containers, arrays and tensors."""
    hasher = hashlib.sha256()
    _feed(hasher.update, value)
    return hasher.hexdigest()


def _feed(update: Callable[[bytes], object], value: Any) -> None:
    match value:
        case dict():
            update(b"{%d" % len(value))
            for key, item in value.items():
                _feed(update, key)
                _feed(update, item)
        case list() | tuple():
            update(b"[%d" % len(value))
            for item in value:
                _feed(update, item)
        case Tensor():
            update(f"{value.dtype} {tuple(value.shape)} {value.layout}".encode())
            update(value.detach().to_dense().contiguous().numpy().tobytes())
        case np.ndarray():
            update(f"{value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        case pd.DataFrame():
            for name in value:
                _feed(update, _column(value[name]))
        case _:
            update(f"{type(value).__name__} {value!a};".encode())


def _column(values: pd.Series) -> Any:
    if isinstance(values.dtype, pd.CategoricalDtype):
        return values.cat.codes.to_numpy()
    array = values.to_numpy()
    return array.tolist() if array.dtype == object else array


def _special(rng: Rng, folder_of: str) -> tuple[Content, str]:
    """Something else than a file, or one that is far too large."""
    specials: tuple[tuple[str, Content], ...] = (
        ("the file is empty", b""),
        ("the file is missing", lambda path: None),
        ("a folder instead", lambda path: path.mkdir()),
        ("a link to nothing", lambda path: path.symlink_to("nowhere")),
        ("a link to itself", lambda path: path.symlink_to(path.name)),
        ("a pipe instead", os.mkfifo),
        ("a link to an endless device", lambda path: path.symlink_to("/dev/zero")),
        ("an empty file of 3 GB", _sparse),
    )
    name, content = one_of(rng, specials)
    return content, f"{folder_of}: {name}"


def _sparse(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(3 * 2**30)


_RARELY: Final = 0.004
"""Share of inputs that are no regular file: few variants, and a reader that waits for them costs
a time-out each."""

Rule = tuple[str, Callable[[Any, Any], bool]]


def _allowed(rules: Sequence[Rule], old: Any, new: Any) -> bool:
    """Whether every difference is one that the first rule for its place allows."""
    for place, before, after in differences(old, new):
        judge = next((rule for pattern, rule in rules if re.fullmatch(pattern, place, re.S)), None)
        if judge is None or not judge(before, after):
            return False
    return True


def _finite(number: float) -> bool:
    """Also of whole numbers that are too large for a float."""
    return -math.inf < number < math.inf


def _never(old: Any, new: Any) -> bool:
    return False


def _text(old: Any, new: Any) -> bool:
    return clean_text(new)


def _plain(old: Any, new: Any) -> bool:
    return new is MISSING or plain_json(new)


def _bool(old: Any, new: Any) -> bool:
    return isinstance(new, bool)


def _in(*known: Any) -> Callable[[Any, Any], bool]:
    return lambda old, new: isinstance(new, str) and new in known


def _or_missing(judge: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda old, new: new is MISSING or judge(old, new)


def _count(low: int, high: float) -> Callable[[Any, Any], bool]:
    return lambda old, new: type(new) is int and low <= new <= high


def _real(low: float, high: float) -> Callable[[Any, Any], bool]:
    return lambda old, new: type(new) in (int, float) and _finite(new) and low <= new <= high


def _tensor(old: Any, new: Any) -> bool:
    alike = isinstance(old, Tensor) and isinstance(new, Tensor)
    return (
        alike
        and (old.shape, old.dtype, old.layout) == (new.shape, new.dtype, new.layout)
        and bool(new.isfinite().all())
    )


def _json_case(
    file: str,
    content: bytes,
    rng: Rng,
    legal: Callable[[Any], bool],
) -> Case:
    """A spoilt JSON document: its values, its text, or the file itself.

    Args:
        file: its name.
        content: of the good one.
        legal: judges a document.
    """
    chance = rng.random()
    if chance < _RARELY:
        special, change = _special(rng, file)
        return Case({file: special}, change)
    if chance < 0.75:
        spoilt, change = spoil_plain(json.loads(content), rng)
        data = to_json(spoilt)
    elif chance < 0.77:
        data, change = deep_json(content, rng)
    else:
        data, change = spoil_bytes(content, rng)

    def judged(loaded: Any) -> bool:
        try:
            parsed = json.loads(data.decode("utf-8"))
        except (ValueError, RecursionError):
            return False
        return legal(parsed)

    return Case({file: data}, change, judged)


def _yaml_case(file: str, content: bytes, rng: Rng, legal: Callable[[Any], bool]) -> Case:
    """Likewise a spoilt YAML file; what was loaded from it tells whether it was legal."""
    chance = rng.random()
    if chance < _RARELY:
        special, change = _special(rng, file)
        return Case({file: special}, change)
    if chance < 0.6:
        spoilt, change = spoil_plain(yaml.safe_load(content), rng)
        data = yaml.safe_dump(spoilt, allow_unicode=False).encode()
    elif chance < 0.85:
        text, change = spoil_lines(content.decode(), rng)
        data = text.encode("utf-8", "surrogatepass")
    else:
        data, change = spoil_bytes(content, rng)
    return Case({file: data}, change, legal)


# --- policies ---


class _PolicyKind:
    """What checkpoints and trees have in common: they are played on some observations."""

    file: str

    @cached_property
    def _probes(self) -> list[tuple[Any, Any, Any]]:
        env = BatchedEnv(4, params=EnvParams(steps=STEPS), threads=1)
        env.reset(np.arange(4))
        rng, probes = np.random.default_rng(0), []
        for _ in range(6):
            probes.append((env.obs.copy(), env.mask.copy(), env.free.copy()))
            env.step(_random_actions(env, rng))
        return probes

    def load(self, folder: Path) -> Any:
        """The policy, and what its manifest would say."""
        policy = load_policy(str(folder / self.file))
        torch.set_num_threads(1)
        facts = {k: v for k, v in policy.describe().items() if k not in ("path", "sha256")}
        return policy, facts

    def says(self, loaded: Any) -> str:
        """What it plays and says of itself."""
        policy, facts = loaded
        return digest([facts, policy.message_kind if "tree" in facts["kind"] else ""]) + digest(
            self._played(policy)
        )

    def _played(self, policy: Policy) -> list[Any]:
        policy.reset(np.arange(4))
        played: list[Any] = []
        for obs, mask, free in self._probes:
            decision = policy.act(obs, mask, free)
            weights = policy.weights()  # type: ignore[attr-defined]
            played += [decision.actions, decision.messages, decision.probability, decision.entropy]
            played.append(weights[mask])
        return played

    def use(self, loaded: Any, number: int) -> None:
        """Write what manifests say of it, and demand numbers for outputs."""
        policy, facts = loaded
        json.dumps(facts, ensure_ascii=False, allow_nan=False).encode("utf-8")
        if any(not np.isfinite(x).all() for x in self._played(policy) if x is not None):
            raise NotFinite("the policy plays although its outputs are not finite")


class NotFinite(Exception):
    """A policy was accepted, and its outputs are not numbers to choose by."""


def _random_actions(env: BatchedEnv, rng: Rng) -> Any:
    """A random valid action for every agent."""
    chosen = np.empty((env.n_envs, N_BLUE), np.int64)
    for agent in range(N_BLUE):
        mask = env.mask[:, actions.slice_of(agent)]
        chosen[:, agent] = (rng.random(mask.shape) * mask).argmax(axis=1)
    return chosen


def _torch_case(file: str, content: bytes, rng: Rng, rules: Sequence[Rule]) -> Case:
    """A spoilt file of torch.save: its objects, its archive, its bytes, or the file itself."""
    chance = rng.random()
    original = _good(content)
    if chance < _RARELY:
        special, change = _special(rng, file)
        return Case({file: special}, change)
    if chance < 1.25 * _RARELY:
        data, change = _bomb(content, rng), "a member more, of gigabytes of zeros"
    elif chance < 0.55:
        spoilt, change = spoil_plain(original, rng)
        buffer = io.BytesIO()
        torch.save(spoilt, buffer)
        data = buffer.getvalue()
    elif chance < 0.8:
        data, change = spoil_zip(content, rng)
    else:
        data, change = spoil_bytes(content, rng)

    def judged(loaded: Any) -> bool:
        try:
            spoilt_value = _unpickled(data)
        except Exception:  # whatever is wrong with it: it was no legal file
            return False
        return _allowed(rules, original, spoilt_value)

    return Case({file: data}, change, judged)


def _unpickled(content: bytes) -> Any:
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


_good = functools.cache(_unpickled)
"""The same of a good file, which nobody changes."""


def _bomb(content: bytes, rng: Rng) -> bytes:
    """An archive with some more gigabytes than it seems to have."""
    packed = io.BytesIO(content)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        zeros = bytes(2**24)
        with archive.open(f"{folder}/data/extra", "w", force_zip64=True) as member:
            for _ in range(one_of(rng, (16, 128))):
                member.write(zeros)
    return packed.getvalue()


_CHECKPOINT_RULES: Final[tuple[Rule, ...]] = (
    ("(project|kind|format_version|layout)(/.*)?", _never),
    ("algorithm|variant", _text),
    ("versions/.*", _or_missing(_text)),
    ("summary(/.*)?", _plain),
    ("config/observation", _in(*features.PROFILES)),
    ("config/network", _in(*networks.KINDS)),
    ("config/core", _or_missing(_in(*networks.CORES))),
    ("config/messages", _or_missing(_in(*messages.KINDS))),
    ("config/acting", _or_missing(_in("sampled", "greedy"))),
    ("config/hidden/#", _count(1, 8192)),
    ("config/.*", _plain),
    ("weights/outputs", _or_missing(_in("logits", "values"))),
    # Other numbers of the same shape are other weights: a checkpoint has no digest that could tell
    # them from the ones that were trained, nor two tensors' numbers that are exchanged.
    ("weights/actors/.*", _tensor),
    ("[^/]*", lambda old, new: old is MISSING),
)


class CheckpointKind(_PolicyKind):
    """`ckpt.pt` of a small network."""

    name, share, file = "checkpoint", 0.16, _CHECKPOINT

    def make(self, folder: Path) -> None:
        """Train a round."""
        _train(folder / "run")
        os.replace(folder / "run" / loop.BEST, folder / self.file)
        for path in sorted((folder / "run").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        (folder / "run").rmdir()

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_torch_case`."""
        return _torch_case(self.file, files[self.file], rng, _CHECKPOINT_RULES)


class TreeKind(_PolicyKind):
    """`tree.json` of small trees."""

    name, share, file = "tree", 0.11, _TREE

    def make(self, folder: Path) -> None:
        """Write trees of a few questions."""
        questions = ("action is Restore", "action is Sleep", "process alert now")
        feature = np.array([*map(NAMES.index, questions), -1, -1, -1, -1])
        left, right = np.array([1, 3, 5, *[-1] * 4]), np.array([2, 4, 6, *[-1] * 4])
        weight = np.array([0, 0, 0, 1e-6, 1.0, 1e-6, 50.0])
        tree = Tree(feature, np.full(7, 0.5), left, right, weight)
        teacher = {"name": "expert", "kind": "scripted", "rule": "by hand"}
        save_tree(folder / self.file, TreePolicy([tree] * N_BLUE, teacher=teacher))

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_json_case`."""
        content = files[self.file]
        original = json.loads(content)
        return _json_case(self.file, content, rng, lambda value: _tree_legal(original, value))


def _tree_legal(original: Any, loaded: Any) -> bool:
    rules: tuple[Rule, ...] = (
        ("name", _text),
        ("deterministic", _bool),
        ("messages", _in(*messages.KINDS)),
        ("teacher(/.*)?", _plain),
        ("agents/[^/]*/feature/#", lambda old, new: (old is None) == (new is None)),
        ("agents/[^/]*/(threshold|weight)/#", _real(-math.inf, math.inf)),
        ("agents/[^/]*(/.*)?", lambda old, new: new is not MISSING),
        ("[^/]*", lambda old, new: old is MISSING),
    )
    if not _allowed(rules, original, loaded):
        return False
    return isinstance(loaded["teacher"], dict) and all(_is_tree(loaded["agents"][a]) for a in BLUE)


def _is_tree(tree: Any) -> bool:
    """Whether arrays are a tree: the root leads once to each node, leaves weigh something."""
    try:
        n, waiting, reached = len(tree["feature"]), [0], set()
        if any(len(tree[k]) != n for k in ("threshold", "left", "right", "weight")):
            return False
        while waiting:
            node = waiting.pop()
            if node in reached or not 0 <= node < n or node != int(node):
                return False
            reached.add(node)
            if (asked := tree["feature"][int(node)]) is None:
                if not tree["weight"][int(node)] > 0:
                    return False
                continue
            if asked not in NAMES or not _finite(tree["threshold"][int(node)]):
                return False
            waiting += [tree["left"][int(node)], tree["right"][int(node)]]
    except (TypeError, KeyError, ValueError, OverflowError):
        return False
    return len(reached) == n


# --- training ---


def _env(n_envs: int, threads: int, red: RedTable = reds.REDS[reds.STANDARD]) -> BatchedEnv:
    return BatchedEnv(n_envs, params=EnvParams(steps=STEPS, red=red), threads=1)


def _train(folder: Path) -> None:
    """A run of one round of a small network."""
    run = RunConfig("ippo", "paper", steps=1, eval_every=1, eval_episodes=1, final_episodes=1)
    preset = registry.find_preset("ippo", "paper")
    settings = dataclasses.replace(
        preset, hidden=(4,), envs=1, observation="flat", network="mlp", epochs=1
    )
    training = loop.start(run, settings, folder, threads=1, make_env=_env)
    with (
        open(os.devnull, "w") as nothing,
        contextlib.redirect_stdout(nothing),
        contextlib.redirect_stderr(nothing),
    ):
        training.train()


def _declared(of: type, name: str, old: Any, new: Any) -> bool:
    """Whether a stored setting, or an item of it, has its declared type and range."""
    (entry,) = (entry for entry in dataclasses.fields(of) if entry.name == name)
    return new is not MISSING and _fits(entry, typing.get_type_hints(of)[name], new)


def _fits(entry: "dataclasses.Field[Any]", kind: Any, value: Any) -> bool:
    kinds = typing.get_args(kind) if typing.get_origin(kind) is not tuple else (kind,)
    if value is None:
        return type(None) in kinds
    if isinstance(value, list | tuple):
        return bool(value) and all(_fits(entry, int, item) for item in value)
    low, high, choices = (entry.metadata.get(key) for key in ("low", "high", "choices"))
    if choices is not None:
        return isinstance(value, str) and value in choices
    real = {int: (int,), float: (int, float), bool: (bool,), str: (str,)}
    accepted = [t for k in (kinds or (kind,)) for t in real.get(k, (int,))]
    if type(value) not in accepted:
        return False
    if isinstance(value, str | bool):
        return not isinstance(value, str) or clean_text(value)
    return _finite(value) and (low is None or value >= low) and (high is None or value <= high)


_RESUME_RULES: Final[tuple[Rule, ...]] = (
    ("(project|kind|format_version)", _never),
    ("progress/(rounds|steps|best_steps)", _count(0, 1e15)),
    # Told at the end of the run, and nothing else in the file says how many they were.
    ("progress/(seconds|gradient_steps)", _real(0, math.inf)),
    ("progress/best", lambda old, new: new is None or _real(-1e12, 1e12)(old, new)),
    ("progress/evaluations/#/#", _real(-1e12, 1e15)),
    ("progress/evaluations", lambda old, new: isinstance(new, list) and plain_json(new)),
    # As in a checkpoint, numbers in place of others cannot be told from those that were learned.
    ("learner/.*", lambda old, new: _tensor(old, new) or _alike(old, new)),
    ("[^/]*", lambda old, new: old is MISSING),
)


def _alike(old: Any, new: Any) -> bool:
    return type(old) is type(new) and isinstance(new, bool | int | float | str) and plain_json(new)


class ResumeKind:
    """`resume.pt` of a run of a small network."""

    name, share = "resume", 0.11

    def make(self, folder: Path) -> None:
        """Train a round, and leave what a killed run leaves."""
        _train(folder)
        (folder / loop.RESULT).unlink()
        for path in folder.glob("tensorboard/*"):
            path.unlink()

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_torch_case`."""
        settings = type(registry.find_preset("ippo", "paper"))
        declared = [
            (f"{part}/({field.name})(/#)?", functools.partial(_declared, of, field.name))
            for part, of in (("run", RunConfig), ("settings", settings))
            for field in dataclasses.fields(of)
        ]
        return _torch_case(_RESUME, files[_RESUME], rng, (*declared, *_RESUME_RULES))

    def load(self, folder: Path) -> Any:
        """The run, ready to go on."""
        return loop.resume(folder, threads=1, make_env=_env)

    def says(self, loaded: Any) -> str:
        """Settings, progress and everything that learning changes."""
        parts = [dataclasses.asdict(x) for x in (loaded.config, loaded.settings, loaded.progress)]
        return digest([*parts, loaded.learner.state()])

    def use(self, loaded: Any, number: int) -> None:
        """Save it again, as the next evaluation would."""
        loaded._save_resume()


# --- traces ---


def _trace(folder: Path) -> None:
    recording = Recording(
        folder,
        load_policy("random"),
        np.arange(7, 7 + EPISODES),
        EnvParams(steps=STEPS),
        batch=2,
        options={"mask_sleep": False},
    )
    recording.run()


def _collectors() -> list[Collector]:
    """Those of `fsm.analyse`."""
    return [
        *(Counter(), CircumstanceCounter(), DwellCounter()),
        *(reaction_counts.Collector(), study_tables.Collector(), MetricsCollector()),
    ]


class _TraceKind:
    """What manifests and tables have in common: a trace is opened and analysed."""

    def make(self, folder: Path) -> None:
        """Record some episodes."""
        _trace(folder)

    def load(self, folder: Path) -> Any:
        """The trace, opened, with all tables."""
        trace = open_trace(folder)
        return trace, {name: trace.table(name) for name in trace.tables}

    def says(self, loaded: Any) -> str:
        """The manifest and the values of all tables."""
        trace, tables = loaded
        return digest([dataclasses.asdict(trace.manifest), tables])

    def use(self, loaded: Any, number: int) -> None:
        """Analyse it in one of the ways of the commands, and write what they write."""
        trace: Trace = loaded[0]
        match number % 8:  # pages and audits take most of the time
            case 0:
                analysis = fsm.analyse(trace)
                _write(analysis.to_json())
                fsm_report(analysis).html.encode("utf-8")
            case 4:
                audit = _audit(trace)
                for export in FORMATS.values():
                    export.text(audit).encode("utf-8")
            case _:
                run(trace, _collectors())


def _audit(trace: Trace) -> Any:
    profile, references = load_profile("default"), load_references()
    return conduct(trace, None, profile, references, command="cagexplain audit").audit


def _write(value: Any) -> None:
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")


def _iso(old: Any, new: Any) -> bool:
    try:
        datetime.fromisoformat(new)
    except (TypeError, ValueError):
        return False
    return True


def _more_seeds(old: Any, new: Any) -> bool:
    good = isinstance(new, list) and all(_count(0, 2**63 - 1)(None, seed) for seed in new)
    return good and len(new) >= EPISODES


_MANIFEST_RULES: Final[tuple[Rule, ...]] = (
    ("(project|kind|schema_version)", _never),
    ("(episodes|finished)(/.*)?", lambda old, new: True),  # for people: nothing reads them
    ("engine/(name|version)", _text),
    ("(engine|packages)/.*", _or_missing(_text)),
    ("policy/(name|kind)", _or_missing(_text)),  # a policy need not say anything of itself
    ("policy/path", _or_missing(_text)),
    ("policy/(deterministic|mask_sleep)", _or_missing(_bool)),
    ("policy/sha256", lambda old, new: bool(re.fullmatch("[0-9a-f]{64}", str(new)))),
    ("policy/.*", _plain),
    # Without its last parts it is the manifest of a recording that was interrupted.
    ("parts", lambda old, new: isinstance(new, list) and new == old[: len(new)] != []),
    ("options/steps", _never),
    # Not said, it is true; which tables there are, the parts say too.
    ("options/observations", lambda old, new: old is True and new is MISSING),
    ("options/red", _in(*reds.VARIANTS)),
    ("options/batch", _count(1, 2**31)),
    ("options/red_duration/#", _count(1, 100)),
    ("options/mask_sleep", _or_missing(_bool)),
    ("options/.*", lambda old, new: old is MISSING or _real(0, 1)(old, new)),
    ("seeds/#", _count(0, 2**63 - 1)),
    ("seeds", _more_seeds),
    ("created", _iso),
    # Where to look for the policy's file, which its SHA-256 tells; traces of before do not say.
    ("policy_file", lambda old, new: new is MISSING or new is None or clean_text(new)),
    ("[^/]*", lambda old, new: old is MISSING),
)


class ManifestKind(_TraceKind):
    """`manifest.json` of a trace."""

    name, share = "manifest", 0.1

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_json_case`."""
        content = files[_MANIFEST]
        original = json.loads(content)
        return _json_case(
            _MANIFEST, content, rng, lambda value: _allowed(_MANIFEST_RULES, original, value)
        )

    def use(self, loaded: Any, number: int) -> None:
        """Also what plays the trace's policy again."""
        params_of(loaded[0])
        super().use(loaded, number)
        policy_of(loaded[0])


class TableKind(_TraceKind):
    """A Parquet file of a trace, with or without a manifest that fits it again."""

    name, share = "table", 0.32

    def says(self, loaded: Any) -> str:
        """The manifest but for sizes and digests, and the values of all tables."""
        trace, tables = loaded
        manifest = dataclasses.asdict(trace.manifest)
        for part in manifest["parts"]:
            part.pop("files")
        return digest([manifest, tables])

    _modes = ("digests left", "sizes renewed", "digests renewed", "digests renewed")

    def case(self, files: Files, rng: Rng) -> Case:
        """Spoil a file, exchange two, or put something else in place of one."""
        paths = [path for path in files if path.endswith(".parquet")]
        path = one_of(rng, paths)
        name = path.partition("/")[0]
        mode = one_of(rng, self._modes)
        chance = rng.random()
        if chance < _RARELY:
            special, change = _special(rng, name)
            return Case({path: special}, change)
        if chance < 0.02:
            other = one_of(rng, paths)
            changed = {path: files[other], other: files[path]}
            change = f"exchanged with {'its other part' if name in other else 'another table'}"
            whole = path == other
        else:
            data, change = fuzz_tables.spoil_table(name, files[path], rng)
            changed, whole = {path: data}, False
        manifest = (
            files[_MANIFEST] if mode == "digests left" else self._renewed(files, changed, mode)
        )

        def judged(loaded: Any) -> bool:
            if mode != "digests renewed":
                return whole
            return all(self._conforms(files, p, content) for p, content in changed.items())

        return Case({**changed, _MANIFEST: manifest}, f"{name}: {change} ({mode})", judged)

    def _conforms(self, files: Files, path: str, content: bytes) -> bool:
        name, part = path.split("/")
        original = fuzz_tables.original_rows(name, files[path], _CALLS)
        hosts = fuzz_tables.original_rows("hosts", files[f"hosts/{part}"], _CALLS)
        return fuzz_tables.conforms(name, content, original, hosts)

    def _renewed(self, files: Files, changed: Mapping[str, bytes], mode: str) -> bytes:
        """A manifest whose sizes, or sizes and digests, are those of the changed files."""
        manifest = json.loads(files[_MANIFEST])
        for path, content in changed.items():
            name, file = path.split("/")
            number = int(file.removesuffix(".parquet").partition("-")[2])
            entry = manifest["parts"][number]["files"][name]
            entry["bytes"] = len(content)
            entry["rows"] = _n_rows(content, entry["rows"])
            if mode == "digests renewed":
                entry["sha256"] = hashlib.sha256(content).hexdigest()
        return json.dumps(manifest, indent=2).encode()


def _n_rows(content: bytes, otherwise: int) -> int:
    try:
        return int(pq.read_metadata(io.BytesIO(content)).num_rows)
    except (OSError, UnicodeDecodeError, pa.ArrowException):
        return otherwise


# --- documents of users ---

_PROFILE_TEXT: Final = """\
name: shop floor
description: Contract of the plant in Hall 3.
extends: mission
checks:
  REC-01:
    severity: critical
    n_min: 50
    measures:
      value: {good: 0.1, bad: 0.4, unit: share}
  MIS-01:
    measures:
      value:
        good: 0.2
        bad: 2
  DEC-02:
    muted: Decoys are not bought yet.
"""


class ProfileKind:
    """A profile of an audit."""

    name, share = "profile", 0.07

    def make(self, folder: Path) -> None:
        """Write a profile."""
        (folder / _PROFILE).write_text(_PROFILE_TEXT)
        load_profile(str(folder / _PROFILE))

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_yaml_case`."""
        return _yaml_case(_PROFILE, files[_PROFILE], rng, _profile_legal)

    def load(self, folder: Path) -> Profile:
        """The profile."""
        return load_profile(str(folder / _PROFILE))

    def says(self, loaded: Any) -> str:
        """Name, description, and everything that it says of the checks."""
        return digest([loaded.name, loaded.description, _judged(loaded)])

    def use(self, loaded: Any, number: int) -> None:
        """Write what reports say of it."""
        _write(loaded.describe())


def _judged(profile: Profile) -> list[Any]:
    return [
        [
            check.id,
            profile.severity(check),
            profile.n_min(check),
            profile.muted(check),
            [profile.thresholds(check, measure) for measure in check.measures],
        ]
        for check in checks()
    ]


def _profile_legal(profile: Profile) -> bool:
    if not (clean_text(profile.name) and clean_text(profile.description)):
        return False
    for check in checks():
        if profile.severity(check) not in ("critical", "high", "medium", "low", "info"):
            return False
        if type(profile.n_min(check)) is not int or profile.n_min(check) < 1:
            return False
        if not clean_text(profile.muted(check)):
            return False
        for measure in check.measures:
            good, bad = profile.thresholds(check, measure)
            if good is None or bad is None:
                continue
            low, high = RANGES.get(measure.unit, (0, math.inf))
            if not all(_finite(b) and low <= b <= high for b in (good, bad)):
                return False
            if good == bad or (good > bad) != (measure.better == "higher"):
                return False
    return set(profile.overrides) <= {check.id for check in checks()}


_STUDY_TEXT: Final = """\
name: Smoke test
preset: paper
steps: 3_000
seeds: 2
eval_every: 1_500
eval_episodes: 2
final_episodes: 4
margin: 200
settings: {envs: 2, hidden: [16]}
methods:
  ippo: {title: IPPO, settings: {epochs: 1}}
  r_mappo: {title: R_MAPPO, settings: {epochs: 1, critic_hidden: [16], core_size: 8}}
  quick:
    algorithm: per_qmix
    settings: {updates: 4, batch: 64, replay: 8, learning_rate: 1e-3}
figures:
  - id: figure-2
    title: "Figure 2: families of methods"
    methods: [ippo, r_mappo, quick]
    findings:
      - text: The centralised PPO converges to the return of the independent one.
        comparisons:
          - {methods: r_mappo, relation: like, others: ippo}
          - {methods: [quick], relation: clearly below, others: [ippo, r_mappo], measure: early}
"""


class StudyKind:
    """A study's file."""

    name, share = "study", 0.06

    def make(self, folder: Path) -> None:
        """Write a study."""
        (folder / _STUDY).write_text(_STUDY_TEXT)
        read_study(folder / _STUDY)

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_yaml_case`."""
        return _yaml_case(_STUDY, files[_STUDY], rng, _study_legal)

    def load(self, folder: Path) -> Study:
        """The study."""
        return read_study(folder / _STUDY)

    def says(self, loaded: Any) -> str:
        """Everything."""
        return digest(loaded.to_json())

    def use(self, loaded: Any, number: int) -> None:
        """Make its runs, and write what analyses read."""
        _write(loaded.to_json())
        for job in study_jobs(loaded, Path("study")):
            _write(job.to_json())


def _study_legal(study: Study) -> bool:
    if not (clean_text(study.name) and study.seeds and _finite(study.margin)):
        return False
    if study.margin < 0 or not all(type(s) is int and 0 <= s < 2**31 for s in study.seeds):
        return False
    for method in study.methods.values():
        for part in (method.run, method.settings):
            hints = typing.get_type_hints(type(part))
            for entry in dataclasses.fields(part):
                if not _fits(entry, hints[entry.name], getattr(part, entry.name)):
                    return False
    known = set(study.methods)
    return all(set(figure.methods) <= known for figure in study.figures)


class BaselineKind:
    """An earlier `audit.json`, as it is given to ``--baseline``."""

    name, share = "baseline", 0.07

    def make(self, folder: Path) -> None:
        """Audit a trace."""
        trace = folder / "trace"
        _trace(trace)
        (folder / _AUDIT).write_text(FORMATS["json"].text(_audit(open_trace(trace))))
        for path in sorted(trace.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        trace.rmdir()

    def case(self, files: Files, rng: Rng) -> Case:
        """See `_json_case`."""
        return _json_case(_AUDIT, files[_AUDIT], rng, _audit_legal)

    def load(self, folder: Path) -> Any:
        """The audit."""
        return document.read(folder / _AUDIT)

    def says(self, loaded: Any) -> str:
        """Everything."""
        return digest(loaded.to_json())

    def use(self, loaded: Any, number: int) -> None:
        """Compare it with another audit and with itself, and write the comparison in all forms."""
        compared = baseline.compare(
            dataclasses.replace(loaded, findings=loaded.findings[1:]), loaded
        )
        written = dataclasses.replace(loaded, baseline=compared)
        for export in FORMATS.values() if number % 8 == 0 else (FORMATS["json"],):
            export.text(written).encode("utf-8")


_SCHEMA: Final = jsonschema.Draft202012Validator(document.schema())


def _audit_legal(audit: Any) -> bool:
    return bool(_SCHEMA.is_valid(audit)) and plain_json(audit) and _iso(None, audit["created"])


KINDS: Final[tuple[Kind, ...]] = (
    CheckpointKind(),
    TreeKind(),
    ResumeKind(),
    ManifestKind(),
    TableKind(),
    ProfileKind(),
    StudyKind(),
    BaselineKind(),
)
