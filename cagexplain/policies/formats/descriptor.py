"""`agents.yaml`: which agents a foreign file serves, what it is shown and what it answers.

What a file says of itself, and what only one form fits, need not be written. Everything else is
asked for, with the values that are possible.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

from msgspec import Meta

from cagexplain.cc4 import actions, observations
from cagexplain.cc4.agents import BLUE, N_BLUE
from cagexplain.cc4.phases import N_PHASES
from cagexplain.common import yaml_lines
from cagexplain.common.documents import convert
from cagexplain.common.errors import CagexplainError
from cagexplain.policies.formats import views
from cagexplain.policies.formats.views import VIEWS, View

NAME: Final = "agents.yaml"
"""The descriptor's file, within the folder of the files that it describes."""

Mask: TypeAlias = Literal["none", "logits", "input"]
"""What becomes of the action mask: nothing, so that a forbidden choice sleeps; outputs of forbidden
actions are minus infinity; or it is the network's second input."""
Outputs: TypeAlias = Literal["logits", "probabilities", "values", "actions"]
"""What the network computes of each action, or the index of the action itself."""
Busy: TypeAlias = Literal["acts", "sleeps"]
"""What an agent submits while its action runs: what the network says, of which CC4 charges a
Restore, or Sleep."""
Activation: TypeAlias = Literal["tanh", "relu", "elu", "leaky_relu", "gelu", "silu"]

_REMEDY: Final = "Correct it; docs/your-agent.md has the fields"
Size = Annotated[int, Meta(ge=1, le=2**20)]
_Path = Annotated[str, Meta(min_length=1, max_length=4096)]


@dataclass(frozen=True)
class Given:
    """What a descriptor may hold; None is to be guessed.

    Attributes:
        file: the file that serves all agents, from the descriptor's folder.
        agents: instead of it, the file of each agent by name.
        observation, encoding, identity, actions: see `views`.
        mask, outputs, busy: see above.
        activation: between the layers of a Stable-Baselines3 network.
        state: sizes of the memories of a recurrent TorchScript file, which it takes and returns as
            tensors ``[rows, size]`` after the other inputs and outputs.
    """

    file: _Path | None = None
    agents: dict[str, _Path] | None = None
    observation: views.Observation | None = None
    encoding: views.Encoding | None = None
    identity: views.Identity | None = None
    actions: views.Actions | None = None
    mask: Mask | None = None
    outputs: Outputs | None = None
    busy: Busy | None = None
    activation: Activation | None = None
    state: list[Size] | None = None


@dataclass(frozen=True)
class Facts:
    """What a file says of its network; None is what it does not say.

    Attributes:
        inputs: entries of its observation.
        choices: outputs, one per action that it chooses among.
        n_actions: instead of them, indices of actions that it gives: 1 or 5.
        encoding, identity, mask, outputs, busy: as in `Given`.
    """

    inputs: int | None = None
    choices: int | None = None
    n_actions: int | None = None
    encoding: views.Encoding | None = None
    identity: views.Identity | None = None
    mask: Mask | None = None
    outputs: Outputs | None = None
    busy: Busy | None = None


@dataclass(frozen=True)
class Form:
    """How a file is played: all that was given, said or guessed."""

    view: View
    actions: views.Actions
    mask: Mask
    outputs: Outputs
    busy: Busy

    def as_dict(self) -> dict[str, str]:
        """As a descriptor has it."""
        return {
            **{entry.name: getattr(self.view, entry.name) for entry in fields(View)},
            **{name: getattr(self, name) for name in ("actions", "mask", "outputs", "busy")},
        }


def read(path: Path) -> tuple[Given, dict[Path, list[int]]]:
    """Read a descriptor.

    Returns:
        It, and the agents that each file serves, by number.

    Raises:
        CagexplainError: with file and field, for what a descriptor cannot hold.
    """
    root = yaml_lines.load(path)
    root.mapping()  # tells where something else begins
    plain = root.plain() or {}
    given = convert(plain, Given, path, remedy=_REMEDY)
    known = [entry.name for entry in fields(Given)]
    for name in plain:
        if name not in known:
            raise CagexplainError(
                "there is no such field",
                where=path,
                field=name,
                remedy=f"Known: {', '.join(known)}",
            )
    if (given.file is None) == (given.agents is None):
        raise CagexplainError(
            "there has to be either 'file', which serves all agents, or 'agents'",
            where=path,
            field="agents",
            remedy="Give one file for all, or `agents:` with a file for each of "
            f"{BLUE[0]} to {BLUE[-1]}",
        )
    names = dict.fromkeys(BLUE, given.file) if given.agents is None else given.agents
    for agent in (*BLUE, *names):
        if agent not in BLUE or agent not in names:
            raise CagexplainError(
                "no file is given for this agent" if agent in BLUE else "there is no such agent",
                where=path,
                field=f"agents.{agent}",
                remedy=f"Name a file for each of {BLUE[0]} to {BLUE[-1]}, and for no other",
            )
    return given, served(path.parent / str(names[agent]) for agent in BLUE)


def served(files: Any) -> dict[Path, list[int]]:
    """The agents that each file serves, of a file per agent."""
    serving: dict[Path, list[int]] = {}
    for agent, file in enumerate(files):
        serving.setdefault(file, []).append(agent)
    return serving


def resolve(given: Given, facts: Facts, agents: Sequence[int], file: Path) -> Form:
    """How a file is played.

    Args:
        given: by its descriptor.
        facts: what it says itself.
        agents: that it serves, by number.
        file: for errors.

    Raises:
        CagexplainError: the descriptor contradicts the file, no form fits, or several do; with the
            field.
    """
    settled = {name: _agreed(name, given, facts, file) for name in ("encoding", "identity", "mask")}
    outputs = _agreed("outputs", given, facts, file)
    if outputs is None:
        raise _asked("outputs", [name for name in get_args(Outputs) if name != "actions"], file)
    indices = facts.n_actions is not None
    if (outputs == "actions") != indices:
        raise _contradicted("outputs", outputs, "the shape of its outputs", file)
    form = _only(
        _action_forms(given, facts, agents),
        lambda form: _sizes(form, agents),
        lambda form: {"actions": form},
        f"{facts.choices or facts.n_actions} outputs",
        _wanted(agents, actions.SIZES, "padded: 242; team: 570, or 5 indices"),
        file,
    )
    inputs = facts.inputs
    possible = [
        view
        for view in VIEWS
        if given.observation in (None, view.observation)
        and settled["encoding"] in (None, view.encoding)
        and settled["identity"] in (None, view.identity)
        and (form != "team" or view.identity == "none")
        and all(inputs in (None, len(view.columns(agent))) for agent in agents)
    ]
    view = _only(
        possible,
        lambda view: tuple(view.columns(agent).tobytes() for agent in agents),
        lambda view: {entry.name: getattr(view, entry.name) for entry in fields(View)},
        f"{inputs if inputs else 'any number of'} inputs",
        _wanted(
            agents,
            [len(VIEWS[0].columns(agent)) for agent in range(N_BLUE)],
            "padded: 210; team: 578; five more with 'identity'; 185, 421 and 1161 with "
            "'encoding: one_hot'",
        ),
        file,
    )
    busy: Busy = _agreed("busy", given, facts, file) or "acts"
    return Form(view, form, settled["mask"] or "none", outputs, busy)


def identity_of(highs: Sequence[float]) -> views.Identity | None:
    """What the upper bounds of a Box of observations say of its last five entries.

    SuperSuit gives them the bound of all others, 2 in ``observations="box"``. What anything else
    appends has bounds of its own, and is asked for.
    """
    appended = len(highs) == max(observations.SIZES) + N_BLUE and set(highs) == {N_PHASES - 1.0}
    return "supersuit" if appended else None


def _agreed(name: str, given: Given, facts: Facts, file: Path) -> Any:
    said, wanted = getattr(facts, name), getattr(given, name)
    if None not in (said, wanted) and said != wanted:
        raise _contradicted(name, wanted, f"the file, which says '{said}'", file)
    return said if wanted is None else wanted


def _action_forms(given: Given, facts: Facts, agents: Sequence[int]) -> list[views.Actions]:
    everyone = len(agents) == N_BLUE
    forms = [
        form
        for form in get_args(views.Actions)
        if given.actions in (None, form)
        and (form != "team" or everyone)
        and len(set(_sizes(form, agents))) == 1  # it is one network
    ]
    if facts.n_actions is None:
        return [form for form in forms if facts.choices in (None, *_sizes(form, agents))]
    forms = [form for form in forms if (form == "team") == (facts.n_actions == N_BLUE)]
    # An index means the same with and without padding, unless a mask goes with it.
    return forms if "input" in (given.mask, facts.mask) else forms[-1:]


def _sizes(form: views.Actions, agents: Sequence[int]) -> list[int]:
    return [views.n_outputs(form, agent) for agent in agents]


def _only(
    possible: Sequence[Any],
    key: Callable[[Any], object],
    named: Callable[[Any], dict[str, str]],
    got: str,
    wanted: str,
    file: Path,
) -> Any:
    """The form that fits; several that come to the same count as one."""
    different: dict[str, Any] = {}
    for form in possible:
        different.setdefault(repr(key(form)), form)
    if len(different) == 1:
        return next(iter(different.values()))
    if not different:
        raise CagexplainError(
            f"a network with {got} fits none of the forms of CC4 that the descriptor allows",
            where=file,
            remedy=f"Possible are {wanted}; say in {NAME} which file serves which agents",
        )
    options = [named(form) for form in different.values()]
    name = next(n for n in options[0] if len({option[n] for option in options}) > 1)
    raise _asked(name, list(dict.fromkeys(option[name] for option in options)), file)


def _wanted(agents: Sequence[int], sizes: Sequence[int], others: str) -> str:
    groups = itertools.groupby(agents, key=lambda agent: sizes[agent])
    official = " and ".join(
        f"{size} for {', '.join(BLUE[agent] for agent in group)}" for size, group in groups
    )
    return f"official: {official}; {others}"


def _asked(field: str, possible: Sequence[str], file: Path) -> CagexplainError:
    return CagexplainError(
        "the file does not say this, and its shapes do not either",
        where=file,
        field=field,
        remedy=f"Write `file: {file.name}` and `{field}: {' | '.join(possible)}` (one of them) "
        f"into a file {NAME} beside it, and give that as the policy",
    )


def _contradicted(field: str, value: str, by: str, file: Path) -> CagexplainError:
    return CagexplainError(
        f"the descriptor's '{value}' is contradicted by {by}",
        where=file,
        field=field,
        remedy=f"Correct or remove the field in {NAME}",
    )
