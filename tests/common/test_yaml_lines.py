import math
import os
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.common import yaml_lines
from cagexplain.common.errors import CagexplainError, UsageError


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "file.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_every_value_knows_its_line(write):
    root = yaml_lines.load(write("# first\na: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\n"))
    entries = root.mapping()
    assert {name: node.line for name, node in entries.items()} == {"a": 2, "b": 3}
    first, second = entries["b"].sequence()
    assert (first.line, second.line) == (4, 5)
    assert {name: node.line for name, node in second.mapping().items()} == {"c": 5, "d": 6}
    assert root.plain() == {"a": 1, "b": ["x", {"c": 2, "d": 3}]}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("3.", 3.0),
        ("2_000_000", 2_000_000),
        ("-7", -7),
        ("007", 7.0),  # digits with leading zeros are no whole number of the core schema
        ("no", "no"),
        ("off", "off"),
        ("none", "none"),
        ("2024-01-01", "2024-01-01"),
        ("1:30", "1:30"),
        ("true", True),
        ("null", None),
        ("", None),
        ("'5'", "5"),
        ("-.inf", -math.inf),
        ("8bit", "8bit"),
        ("1e", "1e"),
    ],
)
def test_words_are_read_by_the_core_schema(write, text, value):
    found = yaml_lines.load(write(f"x: {text}\n")).plain()["x"]
    assert found == value
    assert type(found) is type(value)


NAMES = st.text(string.ascii_letters + string.digits + "_- ", min_size=1)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_reads_what_pyyaml_writes(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("yaml") / "file.yaml"
    # PyYAML leaves words bare that only its own schema takes for words, so everything is quoted.
    text = yaml.safe_dump(value, default_style='"', allow_unicode=True)
    path.write_text(text, encoding="utf-8", newline="")
    assert yaml_lines.load(path).plain() == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [1,\n", "line 3"),
        ("a: 1\na: 2\n", "line 2: a: occurs already in line 1"),
        ("ok: 1\n5: x\n", "line 2: 5 is no name"),
        ("a: 1\n? [x]\n: 2\n", "is no name"),
        ("a: &x [1]\nb: *x\n", "line 2: the file cannot be read as YAML (aliases"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []\n", "line 2"),
        ("a: 1\nb: !!binary aGk=\n", "line 2: the tag"),
        ("a: 1\n---\nb: 2\n", "line 2"),
        ("\tx: 1", "line 1"),
        (b"a: \xff\xfe\n", "cannot be read as YAML"),
        ("a: " + "[" * 3000, "cannot be read as YAML"),
        ("a: " + "9" * 5000, "cannot be read as YAML"),
        ("a: 1\nb: 9223372036854775808", "line 2: the number is too large"),
        ('a: 1\nb: "\\ud800"', "line 2: there is half a character"),
        ('a: 1\n"x\\udfff": 1', "line 2: there is half a character"),
        ("a: " + "{b: " * 100_000, "cannot be read as YAML"),
    ],
)
def test_what_is_wrong_is_told_with_the_line(write, text, said):
    path = write(text)
    with pytest.raises(UsageError) as error:
        yaml_lines.load(path)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)


def test_wrong_kinds(write):
    root = yaml_lines.load(write("a: 1\nb: [2]\nc:\n"))
    entries = root.mapping()
    with pytest.raises(UsageError, match=r"line 1: 1 does not belong here\. Write a list"):
        entries["a"].sequence()
    with pytest.raises(UsageError, match=r"line 2: \[2\] does not belong here\. Write a mapping"):
        entries["b"].mapping()
    assert entries["c"].mapping() == {}
    assert entries["c"].sequence() == []


def test_empty_file_is_an_empty_mapping(write):
    assert yaml_lines.load(write("# nothing\n")).mapping() == {}


def test_missing_file(tmp_path):
    with pytest.raises(CagexplainError, match="there is no such YAML file") as error:
        yaml_lines.load(tmp_path / "none.yaml")
    assert error.value.where == tmp_path / "none.yaml"


def test_what_is_no_file_or_too_large_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    with pytest.raises(CagexplainError, match="this is a pipe"):  # which would block for ever
        yaml_lines.load(tmp_path / "pipe.yaml")
    with pytest.raises(CagexplainError, match="this is a folder"):
        yaml_lines.load(tmp_path)
    with open(tmp_path / "large.yaml", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(CagexplainError, match="at most"):
        yaml_lines.load(tmp_path / "large.yaml")


def test_complaints_fit_into_a_terminal(write):
    root = yaml_lines.load(write("a: [" + "x, " * 100_000 + "]\n"))
    with pytest.raises(UsageError) as error:
        root.mapping()["a"].mapping()
    assert len(str(error.value)) < 1000
