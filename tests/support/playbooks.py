"""A fabricated playbook with every kind of situation."""

from cagexplain.audit.results import Choice, Playbook, Situation


def situation(agent: int, sees: str, *choices: Choice, phase: str | None = None) -> Situation:
    n = sum(choice.hits for choice in choices)
    return Situation(f"blue_agent_{agent}", sees, phase, n, 12, choices)


def choice(action: str, aim: str = "", share: float = 0.8, hits: int = 80) -> Choice:
    return Choice(action, aim, hits, share, share - 0.1, share + 0.1)


PLAYBOOK = Playbook(
    1000,
    12,
    (
        situation(0, "process", choice("Restore", "process"), choice("Wait", share=0.2, hits=20)),
        situation(0, "connection", choice("Analyse", "connection")),
        situation(0, "policy", choice("BlockTrafficZone", "asked"), phase="pre-planning"),
        situation(0, "policy", choice("AllowTrafficZone", "against"), phase="mission A"),
        situation(0, "nothing", choice("Wait")),
        situation(1, "process", choice("Remove", "process")),
        situation(1, "policy", Choice("DeployDecoy", "quiet", 3, 1.0, None, None)),
        situation(4, "nothing", choice("DeployDecoy", "quiet")),
    ),
)
