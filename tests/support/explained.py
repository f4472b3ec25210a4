"""Explained decisions, made up: one with everything that a page can show, one with little."""

from typing import Any

from cagexplain.analysis.decisions.attributions import Attribution, Influence
from cagexplain.analysis.decisions.counterfactuals import ActionFuture, FutureDifference
from cagexplain.analysis.decisions.explain import DecisionReport, Explanation, Option
from cagexplain.analysis.decisions.flips import Flip, Flips

CHOSEN = "Restore server_host_0 (OZA)"


def outcome(mean: float, low: float | None, high: float | None) -> ActionFuture:
    causes = {
        "LWF": FutureDifference(mean, low, high),
        "action_cost": FutureDifference(0.0, 0.0, 0.0),
    }
    return ActionFuture(64, 100, -80.0 + mean, FutureDifference(mean, low, high), causes)


def option(name: str, result: ActionFuture | None, **more: Any) -> Option:
    values = {
        **{"action": 7, "kind": name.split()[0], "chosen": False, "probability": 0.125},
        **{"value": None, "kind_probability": 0.25, "kind_options": 11, **more},
    }
    return Option(name=name, outcome=result, **values)


def explanation(*options: Option, **more: Any) -> Explanation:
    chosen = option(
        CHOSEN, outcome(0.0, 0.0, 0.0), chosen=True, probability=0.62, kind_probability=0.7
    )
    values = {
        **{"episode": 4, "seed": 1004, "step": 211, "phase": 1, "agent": "blue_agent_1"},
        **{"action": CHOSEN, "target_state": "UD", "target_level": 1, "zone_state": "RD"},
        **{"alerts": ("process alert on server_host_0 (OZA)",), "entropy": 1.2},
        **{"likeliest": True, "importance": 31.5, "options": (chosen, *options)},
        **{"attribution": None, "path": (), "flips": None, "notes": (), **more},
    }
    return Explanation(**values)


BETTER = option("Analyse user_host_2 (OZA)", outcome(12.4, 4.0, 20.0))
OPEN = option("Remove server_host_0 (OZA)", outcome(-1.5, -6.0, 3.0))
LUCKY = option("Restore user_host_2 (OZA)", outcome(15.0, -2.0, 40.0))
UNSURE = option("Remove user_host_2 (OZA)", outcome(-30.0, -70.0, 2.0))
WORSE = option("Sleep", outcome(-25.0, -31.0, -19.0), kind_options=1)
INFLUENCES = (
    Influence("process alert on server_host_0 (OZA)", 1.0, 0.0, 2.5),
    Influence("mission phase", 1.0, 0.0, -0.75),
)
FULL = explanation(
    *(BETTER, OPEN, WORSE),
    attribution=Attribution(
        "log-probability of the choice", -3.1, -0.5, 0.02, INFLUENCES, ("Memory is held fixed.",)
    ),
    path=("phase = 1", "process alert on server_host_0"),
    flips=Flips(CHOSEN, 1, 2, 92, (Flip(("without the process alert",), "Sleep", "Sleep"),), 1),
    notes=("The memory of the network was not varied.",),
)
BARE = explanation(
    option("Sleep", None, probability=None, kind_probability=None, value=-3.0),
    **{"entropy": None, "likeliest": None, "importance": None, "alerts": ()},
    **{"target_state": None, "target_level": -1, "flips": Flips(CHOSEN, None, 2, 4000, (), 0)},
)


def report(*found: Explanation) -> DecisionReport:
    return DecisionReport("trace", "ippo_tuned", "the two that mattered most", 64, 100, 0.95, found)
