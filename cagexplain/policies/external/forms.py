"""How others write policies: a table of forms, each of which recognises and opens what it is about.

To add a form, add an entry to `FORMS`: `recognises` looks at what the user wrote (it may look at
files, and runs no code), `opens` makes the policy. A form whose files hold code gives the `Code` to
`trusted`, which asks for trust and starts the processes; how its code is loaded there is an entry
of `players.LOADERS`. A form whose files hold none opens them in this process. The first form that
recognises something opens it, so the narrower ones come first.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cagexplain.common.errors import CagexplainError, UsageError
from cagexplain.policies.base import Policy
from cagexplain.policies.external.code import Code, Files
from cagexplain.policies.external.policy import open_external
from cagexplain.policies.external.processes import Limits

CYBORG_PATH: Final = "CAGEXPLAIN_CYBORG_PATH"
"""Environment variable that names the folder of CybORG."""
GROUP: Final = "cagexplain.policies"
"""Entry-point group in which installed packages register policies."""


class AnotherPolicy(CagexplainError):
    """Code of others is not the one that a trace was recorded with."""


class Untrusted(UsageError):
    """The user has not said that the code of others may be run."""


@dataclass(frozen=True)
class Opening:
    """How a policy of others is opened.

    Attributes:
        trust: whether its code may be run.
        limits: of its processes.
        deterministic: whether it takes its likeliest actions or draws them, where a form knows the
            difference; None leaves it as it is.
        sha256: of the one that is wanted; None takes any.
        cyborg_path: folder of CybORG, for submissions; None if it is installed.
    """

    trust: bool = False
    limits: Limits = field(default_factory=Limits)
    deterministic: bool | None = None
    sha256: str | None = None
    cyborg_path: Path | None = None


@dataclass(frozen=True)
class Form:
    """An entry of the table.

    Attributes:
        name: that manifests give.
        recognises: whether something is of this form.
        opens: makes the policy.
    """

    name: str
    recognises: Callable[[str], bool]
    opens: Callable[[str, Opening], Policy]


def form_of(spec: str) -> Form | None:
    """The form that something has; None if it is none of others."""
    return next((form for form in FORMS if form.recognises(spec)), None)


def trusted(code: Code, opening: Opening) -> Policy:
    """Run foreign code.

    Raises:
        UsageError: the user has not said that it may be run.
        CagexplainError: it is not the code that is wanted, or it cannot be loaded.
    """
    check_trust(code, opening)
    return open_external(code, opening.limits)


def check_trust(code: Code, opening: Opening) -> None:
    """Refuse foreign code that may not be run.

    Raises:
        Untrusted: the user has not said that it may be run.
        CagexplainError: it is not the code that is wanted.
    """
    _require(code.sha256, code.spec, opening)
    if not opening.trust:
        raise Untrusted(
            f"this would run the code of others: {code.what}. It could do all that you can: read, "
            "change, delete and send your files. It runs in processes of its own, with limits of "
            "time and memory, so that its failures do no harm; but that is no sandbox",
            where=code.spec,
            remedy="If you know the code, or trust who wrote it, add --trust-code",
        )


def _require(sha256: str, spec: str, opening: Opening) -> None:
    """Refuse another policy than the one that is wanted."""
    if opening.sha256 not in (None, sha256):
        raise AnotherPolicy(
            "this is another policy than the one that the trace was recorded with "
            "(their SHA-256 differ, which covers all files beside it)",
            where=spec,
            remedy="Give the right one with --policy, or record the trace again",
        )


_OBJECT: Final = re.compile(r"(?P<place>.+):(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)")
_MODULE: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def _is_object(spec: str) -> bool:
    match = _OBJECT.fullmatch(spec)
    return match is not None and (
        match["place"].endswith(".py") or _MODULE.fullmatch(match["place"]) is not None
    )


def _open_object(spec: str, opening: Opening) -> Policy:
    match = _OBJECT.fullmatch(spec)
    assert match is not None
    place, name = match["place"], match["name"]
    if place.endswith(".py"):
        return trusted(_in_file(spec, Path(place), name), opening)
    return trusted(_in_module(spec, place, name), opening)


def _in_file(spec: str, file: Path, name: str) -> Code:
    if not file.is_file():
        raise CagexplainError(
            "there is no such file", where=file, remedy="Give FILE.py:NAME of an existing file"
        )
    files = Files(file.absolute().parent, shallow=True)
    what = f"'{name}' of {file.absolute()}"
    sha256 = files.sha256()
    return Code("object", what, spec, file, files, sha256, "object", file.name, name)


def _in_module(spec: str, module: str, name: str) -> Code:
    """An installed module, or one below the present folder."""
    top = module.partition(".")[0]
    here = os.getcwd()
    places = [Path(here) / top, Path(here) / f"{top}.py"]
    place = next((path for path in places if path.exists()), None)
    if place is None:
        try:
            found = importlib.util.find_spec(top)  # imports nothing: it is a name without a dot
        except (ImportError, ValueError):
            found = None
        if found is None:
            raise CagexplainError(
                f"there is no module '{top}'",
                where=spec,
                remedy="Install its package, or call cagexplain in the folder that it lies in; a "
                "file is named FILE.py:NAME",
            )
        locations = list(found.submodule_search_locations or ())
        place = Path(locations[0] if locations else str(found.origin))
    sha256 = Files(place).sha256() if place.is_dir() else _sha256(place)
    what = f"'{name}' of the module {module}, which lies in {place}"
    return Code(
        "object", what, spec, None, None, sha256, "object", module, name, import_path=(here,)
    )


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _is_trainers(spec: str) -> bool:
    """Whether it is files of other trainers. Their code needs Torch, so looks are cheap first."""
    path = Path(spec)
    if not os.path.exists(path) or path.suffix == ".json":
        return False
    from cagexplain.policies.formats import loading

    return loading.recognised(path)


def _open_trainers(spec: str, opening: Opening) -> Policy:
    from cagexplain.policies.formats import loading

    path = Path(spec)
    sha256 = loading.digest(path)
    what = loading.code_of(path)
    if what is None:
        _require(sha256, spec, opening)
        return loading.load(path, deterministic=opening.deterministic)
    options = {"deterministic": opening.deterministic}
    entry = str(path.absolute())
    return trusted(
        Code("trainer", what, spec, path, None, sha256, "trainer", entry, options=options), opening
    )


def registered() -> dict[str, str]:
    """Policies that installed packages register: names, each with ``module:Name``. Nothing of them
    is imported."""
    return {entry.name: entry.value for entry in importlib.metadata.entry_points(group=GROUP)}


def _is_registered(spec: str) -> bool:
    return _MODULE.fullmatch(spec.replace("-", "_")) is not None and spec in registered()


def _open_registered(spec: str, opening: Opening) -> Policy:
    place = registered()[spec]
    if _OBJECT.fullmatch(place) is None:
        raise CagexplainError(
            f"its package registers it as '{place}', which names nothing in a module",
            where=spec,
            remedy=f"Mend the entry point '{spec}' of the group '{GROUP}': module:Name",
        )
    return _open_object(place, opening)


_MODULES: Final = {
    "submission.py": "submission",
    "submission/submission.py": "submission.submission",
}
"""Where the official evaluation looks for the class, in folders and in archives."""


def _is_submission(spec: str) -> bool:
    path = Path(spec)
    if path.is_dir():
        return any((path / file).is_file() for file in _MODULES)
    if path.suffix.lower() != ".zip" or not zipfile.is_zipfile(path):
        return False
    with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        return not set(_MODULES).isdisjoint(archive.namelist())
    return False


def _open_submission(spec: str, opening: Opening) -> Policy:
    return trusted(submission_code(spec, opening), opening)


def submission_code(spec: str, opening: Opening) -> Code:
    """The code of a submission.

    Raises:
        UsageError: it is none.
    """
    if not _is_submission(spec):
        raise UsageError(
            "this is no submission: neither a folder nor a ZIP archive with submission.py",
            where=spec,
            remedy="Give the folder that the official evaluation is given",
        )
    path = Path(spec)
    files = Files(path)
    entry = next(module for file, module in _MODULES.items() if file in files.names)
    cyborg_path = opening.cyborg_path or os.environ.get(CYBORG_PATH)
    return Code(
        "submission",
        f"the submission in {path.absolute()}",
        spec,
        path,
        files,
        files.sha256(),
        "submission",
        entry,
        options={"cyborg_path": cyborg_path and str(Path(cyborg_path).absolute())},
    )


FORMS: Final[tuple[Form, ...]] = (
    Form("registered", _is_registered, _open_registered),
    Form("object", _is_object, _open_object),
    Form("submission", _is_submission, _open_submission),
    Form("trainer", _is_trainers, _open_trainers),
)
"""All forms, the narrower ones first."""
