"""Ways to spoil bytes, plain containers, zip archives, pickles and YAML text, driven by a seed.

Every mutator takes a generator and gives the spoilt thing with a few words on what was done to it:
the same generator does the same again.
"""

import io
import json
import math
import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import torch
from torch import Tensor

Rng = np.random.Generator
Path = tuple[Any, ...]
T = TypeVar("T")


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


NASTY: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, -1, -3, 2, 10**9, 2**31, 2**63, -(2**63) - 1, 10**400),
    *(0.5, -0.5, -0.0, math.nan, math.inf, -math.inf, 1e20, 1e308, -1e308, 5e-324),
    *("", " ", "x", "60", "nan", "None", "\ud800", "\x00", "\x1b[31mred\x1b[0m", "\u202eabc"),
    *("a\nb", "../../x", "/dev/zero", "<script>alert(1)</script>", "é" * 300, "y" * 100_000),
    *([], {}, [[]], {"": None}, [None], [-1], [30_000, 30_000], _nested(200), [0] * 20_000),
)
"""Values that readers tend to forget."""


class Missing:
    """Stands for an entry that is not there."""

    def __repr__(self) -> str:
        return "missing"


MISSING: Final = Missing()


def one_of(rng: Rng, items: Sequence[T]) -> T:
    """An item, each as likely as the others."""
    return items[int(rng.integers(len(items)))]


def spoil_bytes(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """Flip, cut, insert, splice or repeat."""
    n = len(data)
    at, other = (int(rng.integers(n)) for _ in range(2))
    length = min(n - at, int(2 ** rng.uniform(0, 10)))
    block = data[at : at + length]
    match int(rng.integers(10)):
        case 0 | 1 | 2:
            bit = 1 << int(rng.integers(8))
            return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :], "bit flipped"
        case 3:
            return data[:at] + rng.bytes(length) + data[at + length :], "block overwritten"
        case 4:
            return data[:at], "truncated"
        case 5:
            return data[:at] + data[at + length :], "block removed"
        case 6:
            return data[:at] + rng.bytes(length) + data[at:], "block inserted"
        case 7:
            return data[:at] + block + data[at:], "block repeated"
        case 8:
            return data[:other] + block + data[other + length :], "block copied elsewhere"
        case _:
            return data[:at] + bytes(length) + data[at + length :], "block zeroed"


def spoil_plain(value: Any, rng: Rng) -> tuple[Any, str]:
    """Replace, remove, add, exchange or nudge something in a plain container."""
    path = _somewhere(value, rng)
    old = at(value, path)
    where = name(path)
    match int(rng.integers(20)):
        case 0 | 1 if path:
            return put(value, path, MISSING), f"{where} removed"
        case 2 if isinstance(old, dict | list):
            new = one_of(rng, NASTY)
            if isinstance(old, dict):
                return put(value, (*path, "extra"), new), f"{where} has an entry more"
            return put(value, path, [*old, new]), f"{where} has an item more"
        case 3 if isinstance(old, list) and old:
            i = int(rng.integers(len(old)))
            return put(value, path, [*old[: i + 1], *old[i:]]), f"{where} has an item twice"
        case 4 | 5 if path:
            there = _somewhere(value, rng)
            if there[: len(path)] != path and path[: len(there)] != there:
                swapped = put(put(value, path, at(value, there)), there, old)
                return swapped, f"{where} and {name(there)} exchanged"
        case 6 | 7 | 8 | 9 | 10:
            return put(value, path, nudged(old, rng)), f"{where} nudged"
        case 11:
            new = one_of(rng, (str(old)[:1000], [old], {"value": old}))
            return put(value, path, new), f"{where} wrapped"
    new = one_of(rng, NASTY)
    return put(value, path, new), f"{where} is {_short(new)}"


def nudged(old: Any, rng: Rng) -> Any:
    """A value of the same type that is not the same."""
    match old:
        case bool():
            return not old
        case int():
            return old + int(rng.integers(1, 4)) * one_of(rng, (-1, 1))
        case float():
            return one_of(rng, (old * 1.5, old + 0.125, -old, old * 1e20, 0.0))
        case str():
            return one_of(rng, (old + "x", old[:-1], old.upper(), old[::-1]))
        case Tensor():
            return spoil_tensor(old, rng)
        case list() | tuple():
            return list(old)[::-1]
    return one_of(rng, NASTY)


def spoil_tensor(old: Tensor, rng: Rng) -> Any:
    """Other values, another shape or type, or no tensor at all."""
    new = old.clone()
    if old.is_floating_point() and old.numel():
        values = (math.nan, math.inf, -math.inf, 1e30, 0.5, -1.0)
        new.view(-1)[int(rng.integers(old.numel()))] = one_of(rng, values)
    return one_of(
        rng,
        (
            *(new, new, new, new, old * 1e20, old * 1.5, old * 0),
            *(
                old.flatten(),
                old[None],
                old[..., :0] if old.dim() else old[None][:0],
                old.t() if old.dim() == 2 else old[None],
            ),
            *(old.double(), old.half(), old.to(torch.int64), old.to(torch.complex64)),
            *(torch.zeros(()).expand(old.shape), old.to_sparse(), old.tolist(), None),
        ),
    )


def _somewhere(value: Any, rng: Rng) -> Path:
    """A way into a container: each level's entries are as likely as each other."""
    path: Path = ()
    while isinstance(value, dict | list | tuple) and value and rng.random() > 0.12 * len(path):
        key = one_of(rng, list(value) if isinstance(value, dict) else range(len(value)))
        path, value = (*path, key), value[key]
    return path


def at(value: Any, path: Path) -> Any:
    """What lies at the end of a way."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy of a container with something else (or nothing: MISSING) at the end of a way."""
    if not path:
        return None if new is MISSING else new
    key, *rest = path
    if rest:
        new = put(value[key], tuple(rest), new)
    if isinstance(value, dict):
        return {k: v for k, v in (value | {key: new}).items() if v is not MISSING}
    items = list(value)
    items[key : key + 1] = [] if new is MISSING else [new]
    return items


def name(path: Path) -> str:
    """A way in words; items of lists alike."""
    words = ("#" if isinstance(key, int) else str(key) for key in path)
    return "/".join(words) or "everything"


def _short(value: Any) -> str:
    if isinstance(value, list | dict) and len(value) > 3:
        return f"{type(value).__name__} of {len(value)}"
    if isinstance(value, int) and abs(value) > 2**64:
        return "a huge number"
    text = ascii(value)
    return text if len(text) < 40 else f"{text[:20]}... ({len(text)} characters)"


def differences(old: Any, new: Any, path: Path = ()) -> Iterator[tuple[str, Any, Any]]:
    """Where two containers differ: name, old and new value, MISSING where there is none."""
    if isinstance(old, tuple) and isinstance(new, list):
        old = list(old)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            before, after = old.get(key, MISSING), new.get(key, MISSING)
            yield from differences(before, after, (*path, str(key)))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, (*path, i))
    elif not same(old, new):
        yield name(path), old, new


def same(old: Any, new: Any) -> bool:
    """Whether two values are alike in type and value; NaN is like NaN."""
    if type(old) is not type(new):
        return False
    if isinstance(old, Tensor):
        alike = old.shape == new.shape and old.dtype == new.dtype and old.layout == new.layout
        return alike and bool(torch.equal(old, new))
    if isinstance(old, float) and math.isnan(old):
        return math.isnan(new)
    return bool(old == new)


def clean_text(value: Any) -> bool:
    """Text that UTF-8 can hold."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain_json(value: Any) -> bool:
    """What JSON can hold: clean texts and finite numbers, in lists and objects."""
    match value:
        case dict():
            return all(clean_text(k) and plain_json(v) for k, v in value.items())
        case list() | tuple():
            return all(map(plain_json, value))
        case float():
            return math.isfinite(value)
        case str():
            return clean_text(value)
    return value is None or isinstance(value, int)


def to_json(value: Any) -> bytes:
    """JSON as Python writes it, also of NaN and half characters."""
    return json.dumps(value, ensure_ascii=True).encode()


def deep_json(content: bytes, rng: Rng) -> tuple[bytes, str]:
    """Brackets nested deeper than any reader's stack, in place of a value."""
    values = list(re.finditer(rb": (?=[\d\"tfn])", content))
    start = one_of(rng, values).end() if values else 0
    depth = one_of(rng, (1_000, 100_000))
    opened, closed = one_of(rng, ((b"[", b"]"), (b'{"a":', b"}")))
    middle = opened * depth + (b"0" + closed * depth if rng.random() < 0.5 else b"")
    return content[:start] + middle + content[start:], f"nested {depth} deep"


def spoil_zip(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """Spoil the members of an archive as torch.save writes it, with checksums that fit again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = one_of(rng, list(members))
    folder = chosen.partition("/")[0]
    pickled = f"{folder}/data.pkl"
    repeated: list[tuple[str, bytes]] = []
    match int(rng.integers(16)):
        case 0:
            members.pop(chosen)
            change = f"{_of(chosen)} removed"
        case 1:
            members[one_of(rng, ("x", f"{folder}/x", "../x", "/x", f"{folder}/data/0"))] = b"x"
            change = "a member more"
        case 2:
            repeated = [(chosen, spoil_bytes(members[chosen], rng)[0] if members[chosen] else b"")]
            change = f"{_of(chosen)} twice"
        case 3:
            members[chosen + one_of(rng, ("x", "/", "\x1b[31m"))] = members.pop(chosen)
            change = f"{_of(chosen)} renamed"
        case 4 | 5:
            if members[chosen]:
                members[chosen], damage = spoil_bytes(members[chosen], rng)
            else:
                members[chosen], damage = b"x", "filled"
            change = f"{_of(chosen)}: {damage}"
        case 6:
            other = one_of(rng, list(members))
            members[chosen], members[other] = members[other], members[chosen]
            change = f"{_of(chosen)} and {_of(other)} exchanged"
        case 7 | 8 | 9:
            members[pickled], damage = spoil_bytes(members[pickled], rng)
            change = f"data.pkl: {damage}"
        case _:
            members[pickled], damage = spoil_pickle(members[pickled], rng)
            change = f"data.pkl: {damage}"
    return zipped([*members.items(), *repeated]), change


def zipped(members: Sequence[tuple[str, bytes]]) -> bytes:
    """An archive of these members, names that occur twice included."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about names that occur twice
        for member, content in members:
            archive.writestr(zipfile.ZipInfo(member), content)
    return buffer.getvalue()


def _of(member: str) -> str:
    return re.sub(r"\d+", "N", member.partition("/")[2] or member)


def spoil_pickle(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """Spoil a pickle between its opcodes, or put in what pickles must not do."""
    starts = [position for _, _, position in pickletools.genops(data) if position is not None]
    i, j = sorted(int(rng.integers(1, len(starts) - 1)) for _ in range(2))
    cut, there = starts[i], starts[j]
    after, after_there = starts[i + 1], starts[j + 1]
    code = data[cut:after]
    match int(rng.integers(9)):
        case 0:
            return data[:cut] + data[after:], "opcode removed"
        case 1:
            return data[:cut] + code + data[cut:], "opcode twice"
        case 2 if i < j:
            swapped = data[there:after_there] + data[after:there] + code
            return data[:cut] + swapped + data[after_there:], "opcodes exchanged"
        case 3:
            plain: tuple[bytes, ...] = (
                b"N",
                b"\x88",
                b"K\x07",
                b"J\xff\xff\xff\xff",
                b"}",
                b"]",
                b")",
                b"X\0\0\0\0",
            )
            plain += (b"G\x7f\xf8\0\0\0\0\0\0", b"G\x7f\xf0\0\0\0\0\0\0", b"\x8a\x09" + b"\xff" * 9)
            return data[:cut] + one_of(rng, plain) + data[after:], "opcode replaced by a value"
        case 4:
            called = one_of(
                rng,
                (
                    b"cos\nsystem\n(X\x04\0\0\0truetR",
                    b"cbuiltins\neval\n(X\x01\0\0\0" + b"1tR",
                    b"ctorch\nload\n(X\x09\0\0\0/dev/zerotR",
                    b"ccollections\nOrderedDict\n)R",
                    b"cbuiltins\nbytearray\n(J\xff\xff\xff\x7ftR",
                    b"ctorch._utils\n_rebuild_tensor_v2\n)R",
                    b"ctorch\nfloat32\n",
                    b"\x8f",
                    b"cbuiltins\ncomplex\n)R",
                ),
            )
            return data[:cut] + called + data[after:], "a call in place of an opcode"
        case 5 | 6:
            return _other_number(data, rng)
        case 7:
            names = list(re.finditer(rb"c[\w.]+\n\w+\n", data))
            if names:
                name = one_of(rng, names)
                new = one_of(
                    rng, (b"cos\nsystem\n", b"ctorch\nfloat64\n", b"ctorch\nHalfStorage\n")
                )
                return data[: name.start()] + new + data[name.end() :], "another global"
    return data[: int(rng.integers(len(data)))], "pickle truncated"


def _other_number(data: bytes, rng: Rng) -> tuple[bytes, str]:
    """Another number in place of one of a pickle: sizes, strides, offsets, settings."""
    sizes = {"BININT1": 2, "BININT2": 3, "BININT": 5}
    places = [
        (position, sizes[code.name])
        for code, _, position in pickletools.genops(data)
        if code.name in sizes and position is not None
    ]
    position, size = one_of(rng, places)
    number = one_of(rng, (-1, 0, 1, 7, 255, 65_536, 30_000, 2**30, 2**31 - 1, -(2**31)))
    new = b"J" + number.to_bytes(4, "little", signed=True)
    return data[:position] + new + data[position + size :], "a number replaced"


def spoil_lines(text: str, rng: Rng) -> tuple[str, str]:
    """Spoil YAML text line by line."""
    lines = text.split("\n")
    i, j = (int(rng.integers(len(lines))) for _ in range(2))
    edits: tuple[tuple[str, Callable[[], list[str]]], ...] = (
        ("line removed", lambda: [*lines[:i], *lines[i + 1 :]]),
        ("line twice", lambda: [*lines[: i + 1], *lines[i:]]),
        ("line moved", lambda: [*lines[:j], lines[i], *lines[j:]]),
        ("line indented", lambda: [*lines[:i], "  " + lines[i], *lines[i + 1 :]]),
        ("line indented by a tab", lambda: [*lines[:i], "\t" + lines[i], *lines[i + 1 :]]),
        ("line dedented", lambda: [*lines[:i], lines[i].lstrip(), *lines[i + 1 :]]),
        ("a mark more", lambda: [*lines[:i], lines[i] + one_of(rng, _MARKS), *lines[i + 1 :]]),
        ("a mark for a value", lambda: [*lines[:i], _revalued(lines[i], rng), *lines[i + 1 :]]),
        ("end lost", lambda: lines[:i]),
    )
    change, edit = one_of(rng, edits)
    return "\n".join(edit()), change


_MARKS: Final = (
    *(":", " -", " {", " [", ' "', " '", " #", " &a", " *a", " !!python/object:os.system x"),
    *(" !!binary aGk=", " !!set {a}", " |", " >", " ? x", "\x00", "\ufeff", "\x85", "\u2028"),
    *(
        " .nan",
        " .inf",
        " 1e999",
        " 0x10",
        " 1_0",
        " -0",
        " ~",
        " no",
        " 2024-01-01",
        " <<: {a: 1}",
    ),
    *(" " + "[" * 1_000, " " + "[" * 100_000, " " + "9" * 5_000, " " + "{a: " * 500),
)


def _revalued(line: str, rng: Rng) -> str:
    head, colon, _ = line.partition(":")
    return head + colon + one_of(rng, _MARKS)
