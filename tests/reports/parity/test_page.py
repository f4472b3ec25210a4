import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from cagexplain.fidelity.metrics import METRICS, NAMES
from cagexplain.fidelity.parity import Settings, compare
from cagexplain.fidelity.samples import Origin, ParitySample
from reports.parity.page import histogram, parity_certificate, strip

COMMAND = "cagexplain parity '<b>mine</b>' --episodes 30"
CREATED = "2026-01-02T03:04:05+00:00"


def sample(
    seed: int,
    n: int = 30,
    *,
    sd: float = 0.01,
    engine: str = "cagexplain.sim",
    options: dict[str, Any] | None = None,
    **shifts: float,
) -> ParitySample:
    """Metrics scattered around 1 (relative to `sd`), some of them shifted or NaN."""
    rng = np.random.default_rng(seed)
    values = 0.5 + rng.normal(0, sd, (n, len(NAMES)))
    for name, shift in shifts.items():
        values[:, NAMES.index(name)] += shift
    origin = Origin(
        {"name": "<b>mine</b>", "kind": "scripted", "rule": "a & b"},
        {"steps": 500, "red": "finite_state", **(options or {})},
        {"name": engine, "version": "1"},
        {"numpy": "2"},
    )
    return ParitySample(origin, np.arange(n) + 1000 * seed, values)


class Page(HTMLParser):
    """Checks that tags are closed, and collects what there is."""

    VOID = ("meta", "br", "rect", "line", "polygon", "path", "circle", "link", "input")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def ids(self) -> set[str]:
        return {attrs["id"] or "" for _, attrs in self.tags if "id" in attrs}


def made(a: ParitySample, b: ParitySample, settings: Settings | None = None) -> tuple[str, Page]:
    result = compare(a, b, settings, same_options=False)
    html = parity_certificate(result, command=COMMAND, created=CREATED)
    return html, Page(html)


def test_the_page_is_complete_and_loads_nothing() -> None:
    html, page = made(sample(1), sample(2, engine="CybORG"))
    assert {f"m-{name}" for name in NAMES} <= page.ids()
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert {link[1:] for link in links if link} <= page.ids()
    assert all(link and link.startswith("#") for link in links)
    assert not {"script", "img", "link", "iframe"} & {tag for tag, _ in page.tags}
    assert "http" not in html.replace("http-equiv", "")
    assert "default-src 'none'" in html
    overlays = [a for t, a in page.tags if t == "svg" and a.get("class") == "overlay"]
    strips = [a for t, a in page.tags if t == "svg" and a.get("class") == "strip"]
    assert len(overlays) == len(METRICS) + 2  # and the legend
    assert len(strips) == len(METRICS) + 1
    assert not re.search(r"\bnan\b|\binf\b|None", page.text)


def test_what_the_user_gave_is_escaped_and_told() -> None:
    html, page = made(sample(1), sample(2, engine="CybORG"))
    assert "<b>mine" not in html
    assert COMMAND in page.text
    for told in (CREATED, "CybORG 1", "a & b", "1000 to 1029", "499 steps"):
        assert told in page.text


@pytest.mark.parametrize(
    ("a", "word", "claim"),
    [
        (lambda: sample(1), "EQUIVALENT", "no metric was found to differ"),
        (lambda: sample(1, hosts=5.0), "DIFFERENT", "1 metric differs by more than its margin"),
        (lambda: sample(1, sd=400.0), "INCONCLUSIVE", "episodes of each would probably decide"),
    ],
)
def test_the_verdict_comes_first(a: Callable[[], ParitySample], word: str, claim: str) -> None:
    _, page = made(a(), sample(2, sd=400.0 if word == "INCONCLUSIVE" else 0.01, engine="CybORG"))
    stamps = [attrs for tag, attrs in page.tags if tag == "p" and "verdict" in str(attrs)]
    assert len(stamps) == 1 and word.lower() in str(stamps[0]["class"])
    assert claim in page.text
    assert page.text.index(word) < page.text.index("Returns")
    assert ("open" in page.ids()) == (word != "EQUIVALENT")
    assert "The same simulator twice" not in page.text


def test_the_page_says_what_it_is_not() -> None:
    _, page = made(sample(1), sample(2, options={"phishing": 0.5}))
    assert "The same simulator twice" in page.text
    assert "Different options" in page.text
    assert "None (A), 0.5 (B)" in page.text.replace("–", "None")


def test_pairs_are_described_as_pairs() -> None:
    a = sample(1)
    _, page = made(a, replace(a, values=a.values + 1e-6), Settings(paired=True))
    assert "compared in pairs" in page.text and "paired t" in page.text
    _, page = made(sample(1), sample(2))
    assert "independent samples" in page.text and "Welch" in page.text


def test_metrics_that_nobody_shows_are_named_without_numbers() -> None:
    a, b = sample(1), sample(2)
    at = NAMES.index("red_success_Withdraw")
    a.values[:, at] = b.values[:, at] = np.nan
    at = NAMES.index("red_success_Impact")
    a.values[:10, at] = np.nan
    at = NAMES.index("blocked")
    a.values[:, at] = b.values[:, at] = 0.0
    _, page = made(a, b)
    assert "not observed" in page.text
    assert "Defined in 20/30 episodes." in page.text
    assert "The same in every episode of both: blocked traffic (0.00 pairs of subnets)." in (
        page.text
    )
    overlays = [a for t, a in page.tags if t == "svg" and a.get("class") == "overlay"]
    assert len(overlays) == len(METRICS) - 2 + 2


def test_strips_are_scaled_by_the_margin_and_cut() -> None:
    inside = strip(0.0, -5.0, 5.0, 10.0)
    assert inside is not None
    assert (inside.low, inside.dot, inside.high) == (37.5, 50, 62.5)
    assert not inside.beyond_low and not inside.beyond_high
    on_margin = strip(10.0, -10.0, 30.0, 10.0)
    assert on_margin is not None
    assert (on_margin.low, on_margin.dot, on_margin.high) == (25, 75, 100)
    assert on_margin.beyond_high and not on_margin.beyond_low
    assert strip(1.0, None, None, 10.0) is None
    assert strip(None, None, None, 10.0) is None


def test_histograms_share_their_bins_and_stay_in_the_box() -> None:
    rng = np.random.default_rng(0)
    found = histogram(rng.normal(0, 1, 200), rng.normal(5, 3, 50), "{:.1f}".format)
    assert found is not None
    assert found.a.count("H") == found.b.count("H")
    for path in (found.a, found.b):
        heights = [float(v) for v in re.findall(r"V([\d.]+)", path)]
        assert min(heights) >= 2 and max(heights) <= 40
    assert found.mean_a is not None and found.mean_b is not None
    assert 0 < found.mean_a < found.mean_b < 100


def test_histograms_of_whole_numbers_have_a_bin_for_each() -> None:
    found = histogram(np.array([1.0, 2, 2, 3]), np.array([4.0, np.nan]), str)
    assert found is not None
    assert found.a.count("H") == 4
    assert found.b.endswith("V2.0H100.00V40")  # all of B in the last bin, which is the highest
    assert found.mean_a == pytest.approx(100 * 1.5 / 4)


def test_histograms_without_two_values_are_not_drawn() -> None:
    assert histogram(np.full(3, np.nan), np.full(2, np.nan), str) is None
    assert histogram(np.ones(3), np.ones(3), str) is None
    lonely = histogram(np.array([0.1, 0.2]), np.full(2, np.nan), str)
    assert lonely is not None and lonely.b == "" and lonely.mean_b is None
    spike = histogram(np.array([0.0] * 99 + [0.5]), np.zeros(3), str)
    assert spike is not None  # the quartiles are equal
