"""The three tables in which the study of Rigoni et al. looked for reactions."""

from __future__ import annotations

from typing import Final

from cagexplain.analysis.reactions.study_tables import MEANINGFUL, StudyTable, StudyTables
from reports.kit import estimates, numbers, palette
from reports.kit.sections import Section, gap, render

_TITLES: Final = {
    "after red": "Blue after red, the study’s offset",
    "after red, first decision": "Blue after red, one step earlier",
    "by alerts": "Blue by alerts",
    "before blue": "Green before blue",
}
_WHAT: Final = {
    "after red": "The action of the agent that defends the target’s subnet, red’s duration + 1 "
    "steps after red started its action, as in the study.",
    "after red, first decision": "The same one step earlier: the first decision that can know of "
    "red’s action. One that responds at once is busy at the study’s offset.",
    "by alerts": "Blue’s actions by how many of the agent’s hosts show a process and a connection "
    "alert.",
    "before blue": "Blue’s actions on a host by what the host’s user did in the step before.",
}
_GROUP: Final = {
    "after red": "Red’s action",
    "after red, first decision": "Red’s action",
    "by alerts": "Alerts",
    "before blue": "User’s action",
}


def section(study: StudyTables) -> Section:
    """Make the section."""
    html = render(
        "fsm/study_tables.html.j2",
        asks="Does this policy show the reactions that the study looked for and did not find?",
        says=_answer(study),
        tables=study.tables,
        titles=[_TITLES.get(table.name, table.name) for table in study.tables],
        what=_WHAT,
        group=_GROUP,
        verdict=_verdict,
        gaps={
            table.name: gap(
                f"{table.missing}.", "Record the trace again without --no-observations."
            )
            for table in study.tables
            if table.missing is not None
        },
        meaningful=MEANINGFUL,
        colours=palette.ACTIONS,
    )
    return Section("study", "The study’s three tables", html)


def _answer(study: StudyTables) -> str:
    if study.supported is None:
        most = max((table.n for table in study.tables), default=0)
        return f"Unknown: {estimates.too_few(most)}."
    paper = "“no meaningful or consistent correlations”"
    if study.supported:
        return f"The paper’s finding, {paper}, holds for this policy as far as these tables show."
    names = ", ".join(_TITLES.get(name, name) for name in study.against)
    return f"The paper’s finding, {paper}, does not hold for this policy: {names}."


def _verdict(table: StudyTable) -> str:
    """How strong and how sure a table's correlation is."""
    if table.strength is None:
        return f"{estimates.too_few(table.n)}."
    sure = "consistent beyond habit" if table.significant else "not distinguishable from habit"
    strong = "meaningful" if table.strength >= MEANINGFUL else "too weak to mean much"
    return (
        f"Cramér’s V {table.strength:.2f}, {strong}; {sure} "
        f"(adjusted p {numbers.p_value(table.adjusted_p)}, {numbers.number(table.n)} decisions)."
    )
