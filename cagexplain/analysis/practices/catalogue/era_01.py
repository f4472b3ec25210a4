"""ERA-01: root access is answered by Restore."""

from cagexplain.analysis.practices.cases import Cases, cases
from cagexplain.analysis.practices.check import Check, Measure, Reference
from cagexplain.analysis.practices.statistics import Share
from cagexplain.analysis.practices.view import View, rows_of, stays
from cagexplain.cc4.actions import ActionKind
from cagexplain.cc4.agents import BLUE_OF_HOST


def first_responses_to_root(view: View) -> Cases:
    """Stays of red whose first response came while red was root; a hit is a Restore."""
    found = view.shared(stays)
    late = (found.response >= 0) & (found.root >= 0) & (found.response >= found.root)
    return cases(
        rows_of(view, found.episode[late]),
        found.response[late],
        found.response_kind[late] == ActionKind.RESTORE,
        agent=BLUE_OF_HOST[found.host[late]],
        host=found.host[late],
    )


CHECK = Check(
    id="ERA-01",
    title="Root access is answered by Restore",
    severity="critical",
    axis="practice",
    knowledge="truth",
    why="Once red is root on a host, only a rebuild evicts it: Remove stops user processes only, and "
    "Analyse evicts nobody. Every other answer leaves the attacker in control of the host.",
    remediation="Answer a process alert on a host, and an alert that comes back after Remove, with "
    "Restore; forbid Remove and Analyse as first answer to a process alert.",
    formula="Of the stays of red on a host whose first Analyse, Remove or Restore by its agent came "
    "while red was root: share in which it was Restore.",
    trigger="first responses to root access",
    n_min=20,
    references=(
        Reference("CSF", "RS.MI-02", "Incidents are eradicated"),
        Reference("CSF", "RC.RP-02"),
        Reference("COUN7ER", "CM0027", "Rebuild compromised host"),
        Reference("D3FEND", "D3-RDI", "Restore Disk Image"),
        Reference("RE&CT", "RA5001"),
    ),
    measures=(
        Measure(
            key="value",
            name="share of first responses to root access that are Restore",
            unit="share",
            better="higher",
            good=0.80,
            bad=0.40,
            statistic=Share(),
            cases=first_responses_to_root,
        ),
    ),
    absent="Red never was root on a host before the first response to it.",
    related=("ERA-02", "ERA-04"),
)
