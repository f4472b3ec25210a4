"""The table of broken rules fits the sources as they are."""

import pytest

from benchmarks.engine_copy import PACKAGE, engine_copy
from benchmarks.sensitivity import MUTATIONS, Mutation, chosen
from cagexplain.common.errors import CagexplainError


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_breaks_one_place_of_valid_code(mutation: Mutation) -> None:
    source = (PACKAGE / mutation.file).read_text()
    broken = mutation.applied(source)
    assert broken != source
    compile(broken, mutation.file, "exec")


def test_names_are_unique() -> None:
    names = [mutation.name for mutation in MUTATIONS]
    assert len(set(names)) == len(names) >= 20


@pytest.mark.parametrize("source", ["nothing", "a = 1; a = 1"])
def test_a_stale_mutation_is_told(source: str) -> None:
    with pytest.raises(CagexplainError, match="occurs"):
        Mutation("name", "rule", "sim/red.py", "a = 1", "a = 2").applied(source)


def test_recordings_are_chosen_for_diversity(tmp_path) -> None:
    names = [
        f"{policy}-{red}-500-{seed}.lockstep.npz"
        for policy in ("sleep", "probe_evict", "probe_anything")
        for red in ("discovery", "finite_state")
        for seed in (0, 1)
    ]
    taken = [path.name for path in chosen([tmp_path / name for name in names], 3)]
    assert taken == [
        "probe_anything-finite_state-500-0.lockstep.npz",
        "probe_evict-discovery-500-0.lockstep.npz",
        "sleep-finite_state-500-0.lockstep.npz",
    ]
    assert len(chosen([tmp_path / name for name in names], 100)) == len(names)


def test_a_copy_is_changed_for_a_while() -> None:
    original = (PACKAGE / "sim/red.py").read_text()
    with engine_copy() as copy:
        file = copy.package / "sim/red.py"
        keys, time = copy.keys(), file.stat().st_mtime_ns
        with copy.changed("sim/red.py", "changed"):
            assert file.read_text() == "changed"
        assert (file.read_text(), file.stat().st_mtime_ns) == (original, time)
        assert copy.keys() == keys
    assert (PACKAGE / "sim/red.py").read_text() == original


def test_only_what_depends_on_a_change_is_compiled_again() -> None:
    with engine_copy() as copy:
        keys = copy.keys()
        file = copy.package / "sim/red.py"
        file.write_text(file.read_text() + "# changed\n")
        different = {name for name, key in copy.keys().items() if key != keys[name]}
        assert different == {"cagexplain.sim.red", "cagexplain.sim.step"}
        assert "cagexplain.envs.truth" in keys  # also outside of the engine
        file = copy.package / "cc4/rates.py"
        file.write_text(file.read_text() + "# changed\n")
        different |= {name for name, key in copy.keys().items() if key != keys[name]}
        assert different == {f"cagexplain.sim.{name}" for name in ("red", "step")}
