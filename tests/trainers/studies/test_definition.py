"""Study files: what they mean, and what is refused with its line."""

import re
from pathlib import Path

import pytest

from cagexplain.common.errors import CagexplainError, UsageError
from tests.trainers.studies.conftest import ROOT
from trainers.studies.definition import MEASURES, RELATIONS, Study, read_study
from trainers.studies.jobs import study_jobs

STUDY = """\
name: A small study
preset: paper
steps: 20_000
seeds: 2
margin: 50
settings: {gamma: 0.9}
methods:
  ippo: {title: IPPO}
  talk: {algorithm: ippo, messages: 2bit, title: With messages}
  twin: {algorithm: ippo, title: The same again}
  own: {algorithm: ippo, steps: 10_000, settings: {gamma: 0.5, hidden: [16, 8], target_kl: none}}
figures:
  - id: figure-1
    title: All
    methods: [ippo, talk]
    findings:
      - text: Messages help
        comparisons:
          - {methods: talk, relation: clearly above, others: [ippo, own], measure: early}
"""


def read(folder: Path, text: str = STUDY) -> Study:
    file = folder / "study.yaml"
    file.write_text(text, encoding="utf-8")
    return read_study(file)


def test_methods_take_what_the_study_gives_and_change_it(tmp_path: Path) -> None:
    study = read(tmp_path)
    ippo, talk, own = (study.methods[name] for name in ("ippo", "talk", "own"))
    assert (ippo.run.steps, ippo.settings.gamma, ippo.settings.messages) == (20_000, 0.9, "none")
    assert (ippo.title, ippo.run.preset) == ("IPPO", "paper")
    assert (talk.run.algorithm, talk.settings.messages) == ("ippo", "2bit")
    assert (own.run.steps, own.settings.gamma) == (10_000, 0.5)
    assert (own.settings.hidden, own.settings.target_kl) == ((16, 8), None)


def test_equal_methods_share_their_runs(tmp_path: Path) -> None:
    study = read(tmp_path)
    assert {m.id: m.runs for m in study.methods.values()}["twin"] == "ippo"
    jobs = study_jobs(study, tmp_path)
    assert [(job.method, job.run.seed) for job in jobs] == [
        *(("ippo", 0), ("talk", 0), ("own", 0), ("ippo", 1), ("talk", 1), ("own", 1))
    ]
    assert len({job.folder for job in jobs}) == len({job.log for job in jobs}) == 6
    assert jobs[0].steps == 19_960  # four rounds of ten episodes of 499 calls


def test_only_some(tmp_path: Path) -> None:
    study = read(tmp_path)
    assert {job.method for job in study_jobs(study, tmp_path, ["figure-1"])} == {"ippo", "talk"}
    assert {job.method for job in study_jobs(study, tmp_path, ["twin", "own"])} == {"ippo", "own"}
    with pytest.raises(UsageError, match="no method or figure 'figure-2'"):
        study_jobs(study, tmp_path, ["figure-2"])


def test_comparisons_are_written_out(tmp_path: Path) -> None:
    (finding,) = read(tmp_path).to_json()["figures"][0]["findings"]
    first, second = finding["comparisons"]
    assert (first["method"], first["other"], second["other"]) == ("talk", "ippo", "own")
    assert (first["low"], first["high"], first["window"]) == (50.0, None, (0.0, 0.1))


def test_words_mean_places_on_the_line() -> None:
    """Opposite words share no place, and a clear difference is a difference."""
    assert RELATIONS["above"][0] == RELATIONS["below"][1] == 0
    for clear, plain in (("clearly above", "above"), ("clearly below", "below")):
        assert RELATIONS[plain][0] <= RELATIONS[clear][0] < RELATIONS[clear][1]
        assert RELATIONS[clear][1] <= RELATIONS[plain][1]
    assert all(w is None or 0 <= w[0] < w[1] <= 1 for w in MEASURES.values())


def test_seeds_as_a_list(tmp_path: Path) -> None:
    assert read(tmp_path, STUDY.replace("seeds: 2", "seeds: [7, 3]")).seeds == (7, 3)


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("margin: 50", "margins: 50", 5, "margins: there is no such entry. Did you mean margin?"),
        ("margin: 50", "margin: -1", 5, "margin: -1 is out of range"),
        ("margin: 50", "margin: wide", 5, "'wide' is not a number"),
        ("name: A small study", "name: [A]", 1, "is not a word"),
        ("seeds: 2", "seeds: 0", 4, "0 are not seeds"),
        ("seeds: 2", "seeds: [1, 1]", 4, "are not seeds"),
        ("seeds: 2", "seeds: [0, -1]", 4, "are no seeds"),
        ("seeds: 2", "seeds: 1000000000", 4, "1,000,000,000 runs of each method are too many"),
        ("margin: 50", "margin: .nan", 5, "margin: nan is out of range"),
        ("gamma: 0.5", "gamma: .nan", 11, "gamma"),
        ("name: A small study", 'name: "\\ud800"', 1, "half a character"),
        ("seeds: 2", "seeds: two", 4, "'two' is not a whole number"),
        ("steps: 20_000", "steps: 0", 3, "steps: 0 is out of range"),
        ("steps: 20_000", "steps: many", 3, "'many' is not a whole number"),
        ("preset: paper", "preset: papers", 2, "there is no preset 'papers'. Did you mean paper?"),
        ("{title: IPPO}", "{titel: IPPO}", 8, "titel: there is no such entry"),
        ("  ippo: {", "  ipp: {", 8, "there is no algorithm 'ipp'. Did you mean ippo?"),
        ("algorithm: ippo, messages", "algorithm: ipo, messages", 9, "Did you mean ippo?"),
        ("2bit", "3bit", 9, "'3bit' is unknown"),
        ("  talk: {", "  ta/lk: {", 9, "cannot name a folder"),
        ("gamma: 0.9}", "gama: 0.9}", 6, "gama: there is no such setting. Did you mean gamma?"),
        ("gamma: 0.5", "gamma: 1.5", 11, "gamma: 1.5 is out of range"),
        ("gamma: 0.5", "steps: 5", 11, "Write it outside `settings`"),
        ("gamma: 0.5", "seed: 5", 11, "Use `seeds`"),
        ("hidden: [16, 8]", "network: hosts", 11, "hidden: the network 'hosts' has one width"),
        ("id: figure-1", "id: ../figure-1", 13, "cannot name a folder"),
        ("methods: [ippo, talk]", "methods: [ippo, walk]", 15, "no method 'walk'. Did you mean"),
        ("methods: [ippo, talk]", "methods: []", 15, "no list of different methods"),
        ("clearly above", "higher than", 19, "there is no relation 'higher than'"),
        ("measure: early", "measure: first", 19, "there is no measure 'first'"),
        (", relation: clearly above", "", 19, "relation: is missing"),
        ("methods: talk,", "methods: twin,", 19, "'twin' would be compared with itself"),
        ("    title: All\n", "    title: [\n", 16, "cannot be read as YAML"),
    ],
)
def test_refusals_name_the_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    assert old in STUDY
    with pytest.raises(UsageError) as caught:
        read(tmp_path, STUDY.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / 'study.yaml'}, line {line}: "), caught.value
    assert said in str(caught.value)


def test_second_figure_of_the_same_id(tmp_path: Path) -> None:
    with pytest.raises(CagexplainError, match=r"line 20: id: the id 'figure-1' is taken"):
        read(tmp_path, STUDY + "  - {id: figure-1, methods: [ippo]}\n")


def test_nothing_to_train(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="methods: is missing"):
        read(tmp_path, "name: x\n")
    with pytest.raises(UsageError, match="there are no methods"):
        read(tmp_path, "methods: {}\n")


def test_the_guide_shows_a_file_that_works(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", guide, re.DOTALL)
    assert list(read(tmp_path, example).methods) == ["ippo", "talk", "slow"]
    for name in [*RELATIONS, *MEASURES]:
        assert f"`{name}`" in guide
