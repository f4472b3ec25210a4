import pickle
from pathlib import Path

import pytest

from cagexplain.common.errors import CagexplainError, UsageError


@pytest.mark.parametrize(
    ("where", "field", "text"),
    [
        (None, None, "too long. Shorten it."),
        (Path("a/config.toml"), None, "a/config.toml: too long. Shorten it."),
        ("config.toml", "name", "config.toml: name: too long. Shorten it."),
        (None, "name", "name: too long. Shorten it."),
    ],
)
def test_reads_as_one_message(where: str | Path | None, field: str | None, text: str) -> None:
    assert str(CagexplainError("too long", where=where, field=field, remedy="Shorten it")) == text


def test_keeps_the_punctuation_that_is_there() -> None:
    assert str(CagexplainError("Really?", remedy="Yes. ")) == "Really? Yes."


def test_wrong_usage_has_its_own_exit_code() -> None:
    assert CagexplainError("p", remedy="r").exit_code == 1
    assert UsageError("p", remedy="r").exit_code == 2


@pytest.mark.parametrize("kind", [CagexplainError, UsageError])
def test_survives_the_way_out_of_a_worker_process(kind: type[CagexplainError]) -> None:
    error = kind("bad", where=Path("x"), field="y", remedy="Fix it")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error) == "x: y: bad. Fix it."
