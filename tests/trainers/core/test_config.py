import dataclasses
import json

import pytest

from cagexplain.cc4.reds import VARIANTS
from cagexplain.common.errors import UsageError
from trainers import registry
from trainers.core.config import (
    Assignment,
    RunConfig,
    check,
    from_file,
    from_plain,
    from_text,
    override,
    refuse_changes,
    setting,
    table,
)

RUN = RunConfig("ippo", "paper")
PAPER = registry.find_preset("ippo", "paper")
PRESETS = [
    preset for algorithm in registry.ALGORITHMS.values() for preset in algorithm.presets.values()
]


def with_texts(*texts):
    return override((RUN, PAPER), map(from_text, texts))


def with_file(tmp_path, text):
    (tmp_path / "file.yaml").write_text(text)
    return override((RUN, PAPER), from_file(tmp_path / "file.yaml"))


def test_paper_preset_is_the_studys_column():
    published = {
        "observation": "flat",
        "envs": 10,  # episodes per update, 5,000 steps
        "gamma": 0.99,
        "learning_rate": 2.5e-4,
        "anneal": True,
        "hidden": (256, 256),
        "epochs": 10,
        "minibatches": 1,
        "clip": 0.1,
        "gae_lambda": 0.95,
        "entropy": 0.01,
        "value": 0.5,
        "max_grad_norm": 0.5,
        "adam_eps": 1e-5,
        "target_kl": 0.02,
    }
    assert published.items() <= dataclasses.asdict(PAPER).items()


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_within_their_own_ranges_and_survive_storage(preset):
    check(preset)
    plain = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(preset).items()}
    assert from_plain(type(preset), plain, "here") == preset


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_shown_can_be_given_back(preset):
    rows = table((RUN, preset))
    assert [row[0] for row in rows] == [
        field.name for part in (RUN, preset) for field in dataclasses.fields(part)
    ]
    given = [Assignment(name, value) for name, value, _, _ in rows]
    assert override((RunConfig("x", "y"), preset), given) == (RUN, preset)


def test_texts_are_read_by_type():
    run, changed = with_texts(
        "epochs=3", "learning_rate=1e-3", "hidden=64,32", "target_kl=none", "anneal=false", "seed=7"
    )
    assert (changed.epochs, changed.learning_rate, changed.hidden) == (3, 1e-3, (64, 32))
    assert changed.target_kl is None
    assert changed.anneal is False
    assert run.seed == 7
    _, changed = with_texts("target_kl=0.5", "envs=1e2", "envs=2e2")  # the last one counts
    assert (changed.target_kl, changed.envs) == (0.5, 200)
    assert dataclasses.replace(changed, target_kl=0.02, envs=10) == PAPER  # and nothing else moved


def test_files_are_read_by_type(tmp_path):
    run, changed = with_file(
        tmp_path,
        "epochs: 3\nlearning_rate: 1e-3\nhidden: [64, 32]\ntarget_kl: null\nanneal: false\n"
        "steps: 5_000\nred: aggressive\n",
    )
    assert (changed.epochs, changed.learning_rate, changed.hidden) == (3, 1e-3, (64, 32))
    assert (changed.target_kl, changed.anneal) == (None, False)
    assert (run.steps, run.red) == (5000, "aggressive")


@pytest.mark.parametrize("preset", PRESETS)
def test_the_stored_configuration_of_a_run_is_such_a_file(tmp_path, preset):
    run = dataclasses.replace(RUN, seed=5, red="stealthy")
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(run) | dataclasses.asdict(preset)))
    assert override((RUN, preset), from_file(path)) == (run, preset)


def test_several_attackers_are_a_list(tmp_path):
    written = with_texts("red=greedy, finite_state")[0]
    assert (
        written.red
        == ["greedy", "finite_state"]
        == with_file(tmp_path, "red: greedy,finite_state\n")[0].red
    )
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(written)))
    assert override((RUN, PAPER), from_file(path))[0] == written


BAD = [
    ("epohcs", "3", "epohcs: there is no such setting. Did you mean epochs"),
    ("qwertyuiop", "3", "Run `cagexplain train ippo --show` for the list"),
    ("epochs", "0", "epochs: 0 is out of range. Give a value from 1 to 100"),
    ("epochs", "2.5", "Give a whole number"),
    ("epochs", "true", "Give a whole number"),
    ("gamma", "1.01", "from 0 to 1"),
    ("gamma", ".nan", "gamma"),
    ("learning_rate", "fast", "Give a number"),
    ("learning_rate", "none", "Give a number"),
    ("anneal", "perhaps", "Give true or false"),
    ("anneal", "1", "Give true or false"),
    ("hidden", "64,big", "Give whole numbers separated by commas"),
    ("hidden", "64,0", "0 is out of range"),
    ("observation", "everything", "'everything' is unknown. Choose flat, memory"),
    ("red", "purple", "there is no red 'purple'"),
    ("red", "greedy,purple", "there is no red 'purple'"),
    ("seed", "-1", "from 0 to 2147483647"),
    ("steps", "0", "out of range"),
    ("eval_every", "0", "out of range"),
    ("final_episodes", "0", "out of range"),
]


@pytest.mark.parametrize(("name", "value", "said"), BAD)
def test_bad_values_are_refused_with_place_and_remedy(tmp_path, name, value, said):
    with pytest.raises(UsageError) as error:
        with_texts(f"{name}={value}")
    assert str(error.value).startswith(f"--set: {name}: ")
    assert said in str(error.value)
    with pytest.raises(UsageError) as error:
        with_file(tmp_path, f"# a comment\nclip: 0.3\n{name}: {value}\n")
    assert str(error.value).startswith(f"{tmp_path / 'file.yaml'}, line 3: {name}: ")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hidden: {a: 1}", "line 1: hidden"),
        ("hidden: [[1], 2.5]", "line 1: hidden"),
        ("epochs: 3\n\nepochs: 4", "line 3: epochs: occurs already in line 1"),
        ("- epochs", "does not belong here"),
        ("epochs", "does not belong here"),
        ("epochs: [1", "line 1"),
    ],
)
def test_files_of_another_form_are_refused_with_the_line(tmp_path, text, said):
    with pytest.raises(UsageError) as error:
        with_file(tmp_path, text)
    assert said in str(error.value)


def test_a_text_without_a_value():
    with pytest.raises(UsageError, match="key=value"):
        from_text("epochs")


def test_ranges_that_are_open_at_one_end():
    @dataclasses.dataclass(frozen=True)
    class Open:
        up: float = setting("", default=1.0, low=0.5)
        down: float | None = setting("", default=None, high=2)
        free: bool = setting("", default=True)

    check(Open())
    with pytest.raises(UsageError, match=r"Give a value from 0\.5\.$"):
        check(Open(up=0))
    with pytest.raises(UsageError, match="Give a value to 2 or none"):
        check(Open(down=3))
    assert [row[2] for row in table([Open()])] == ["from 0.5", "to 2 or none", "true, false"]


def test_a_run_goes_on_with_its_settings_only():
    stored = (RUN, PAPER)
    refuse_changes(stored, override(stored, [Assignment("gamma", "0.99")]), "runs/x")
    with pytest.raises(UsageError) as error:
        refuse_changes(stored, with_texts("gamma=0.9", "hidden=8", "seed=3", "clip=0.1"), "runs/x")
    assert str(error.value) == (
        "runs/x: the run has other settings:\n"
        "  setting  stored   given\n"
        "  seed     0        3\n"
        "  hidden   256,256  8\n"
        "  gamma    0.99     0.9\n"
        "A resumed run keeps its settings. "
        "Leave out what differs, or start a new run in another folder."
    )


def test_unknown_names_are_refused():
    with pytest.raises(UsageError, match="Did you mean ippo"):
        registry.find_algorithm("ipo")
    with pytest.raises(UsageError, match="Did you mean tuned"):
        registry.find_preset("ippo", "tunde")
    with pytest.raises(UsageError, match="Known are paper, tuned"):
        registry.find_preset("ippo", "xyz")


def test_every_attacker_of_the_engine_can_be_chosen():
    for red in VARIANTS:
        assert with_texts(f"red={red}")[0].red == red
