"""What we and the processes of foreign code say to each other.

A message is its length (4 bytes, big-endian) and MessagePack of one of the types below. What comes
from a child is untrusted: it is held against the schema, and never unpickled.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Final, TypeAlias

import msgspec

_HEAD: Final = struct.Struct(">I")
MOST_BYTES: Final = 64 * 2**20
"""Size of the largest message: what one process decides for a whole batch."""


class Load(msgspec.Struct, frozen=True, tag=True):
    """To the zygote: import the code.

    Attributes:
        form: name in `players.LOADERS`, which says how to load and play it.
        entry: module or file, as the form needs it.
        name: of what the module defines; empty where the form knows it.
        path: folders in which modules are looked for first.
        memory: bytes that each process may allocate.
        options: what the form needs besides.
    """

    form: str
    entry: str
    name: str
    path: list[str]
    memory: int
    options: dict[str, Any]


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """From the zygote: the code is there.

    Attributes:
        kind: what it turned out to be: `policy`, `weighing` (a policy), `function`, `submission`.
        facts: what it says about itself.
    """

    kind: str
    facts: dict[str, str]


class Spawn(msgspec.Struct, frozen=True, tag=True):
    """To the zygote, with a socket: begin an episode in a new process that answers there."""

    seed: int


class Fork(msgspec.Struct, frozen=True, tag=True):
    """To an episode, with a socket: go on twice; the copy answers there.

    Attributes:
        seed: new seed of the copy's generators; None leaves them as they are.
    """

    seed: int | None


class Forked(msgspec.Struct, frozen=True, tag=True):
    """From the zygote or an episode: there is a new process.

    Attributes:
        pid: its number.
    """

    pid: int


class Fate(msgspec.Struct, frozen=True, tag=True):
    """To the zygote: how did the process end? And the answer, as `os.waitpid` has it."""

    pid: int
    status: int | None = None


class Sight(msgspec.Struct, frozen=True, tag=True):
    """To an episode, or to a policy of many: choose.

    Attributes:
        obs, mask, free: arrays of `Policy.act`, as bytes.
        revised: whether the choice is going to be revised before it is done (`Done`).
        sightings: the arrays of `Sightings`, for a policy that reads them.
    """

    obs: bytes
    mask: bytes
    free: bytes
    revised: bool = False
    sightings: tuple[bytes, ...] | None = None


class World(msgspec.Struct, frozen=True, tag=True):
    """To an episode that plays on an environment: the state after the last step.

    Attributes:
        record: the engine's, as `envs.lookalike.exchange.content_of` has it.
        steps: of the episode.
    """

    record: bytes
    steps: int


class Twin(msgspec.Struct, frozen=True, tag=True):
    """To an episode that plays on a real CybORG of its own: what ours has come to.

    Attributes:
        seed: of the episode.
        steps, red: of its parameters; of a red that is not shipped, its document.
        skipped: worlds of the seed's generator before the episode's.
        reward: of the last step.
        generator: state of the generator that everything in CybORG draws from.
    """

    seed: int
    steps: int
    red: str | dict[str, Any]
    skipped: int
    reward: float
    generator: str


class Chosen(msgspec.Struct, frozen=True, tag=True):
    """From an episode or a policy: its choice.

    Attributes:
        actions: ``int64[n, 5]`` as bytes.
        messages: ``uint8[n, 5, 8]`` as bytes, or None for silence.
    """

    actions: bytes
    messages: bytes | None = None


class Done(msgspec.Struct, frozen=True, tag=True):
    """To a policy: what is done in place of its choice, ``int64[n, 5]`` as bytes."""

    actions: bytes


class Decided(msgspec.Struct, frozen=True, tag=True):
    """From a policy: its whole decision; arrays as bytes, see `policies.base.Decision`.

    Attributes:
        weights: ``float32[n, 570]`` of a policy that is `policies.base.Weighing`.
    """

    actions: bytes
    messages: bytes | None
    probability: bytes | None
    entropy: bytes | None
    weights: bytes | None = None


class Reset(msgspec.Struct, frozen=True, tag=True):
    """To a policy: begin new episodes."""

    seeds: list[int]


class Branch(msgspec.Struct, frozen=True, tag=True):
    """To a policy: go on with copies of some environments in a new process, in which `seeds` are
    those of the copies."""

    rows: list[int]
    seeds: list[int] | None


class Verify(msgspec.Struct, frozen=True, tag=True):
    """To an episode of a verification: play it.

    Attributes:
        engine: `native`, which is ours, as for a submission that plays (`World`), or `cyborg`.
        seed: of the episode.
        params: of the environment, by name.
    """

    engine: str
    seed: int
    params: dict[str, Any]


class GoOn(msgspec.Struct, frozen=True, tag=True):
    """To an episode of a verification: play the next step."""


class Tell(msgspec.Struct, frozen=True, tag=True):
    """To an episode of a verification: tell the contents of the last step."""


class Seen(msgspec.Struct, frozen=True, tag=True):
    """From an episode of a verification: a step (or the reset) was played.

    Attributes:
        digests: of what the submission did and saw, by name.
        reward: of the step.
        over: it was the last one.
    """

    digests: dict[str, bytes]
    reward: float
    over: bool


class Told(msgspec.Struct, frozen=True, tag=True):
    """From an episode of a verification: what the digests are of, as JSON by name."""

    contents: dict[str, bytes]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """From a process: that is done."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """From a process: it cannot go on.

    Attributes:
        problem: in words, one line.
        during: what it was doing, such as ``get_action of blue_agent_0``; completes "in".
    """

    problem: str
    during: str = ""


ToChild: TypeAlias = (
    Load | Spawn | Fork | Fate | Sight | World | Twin | Done | Reset | Branch | Verify | GoOn | Tell
)
FromChild: TypeAlias = Loaded | Forked | Fate | Chosen | Decided | Ready | Seen | Told | Failed

_ENCODER: Final = msgspec.msgpack.Encoder()
_TO_CHILD: Final = msgspec.msgpack.Decoder(ToChild)
_FROM_CHILD: Final = msgspec.msgpack.Decoder(FromChild)


def packed(message: ToChild | FromChild) -> bytes:
    """A message as it goes through a socket."""
    content = _ENCODER.encode(message)
    return _HEAD.pack(len(content)) + content


def from_child(buffer: bytearray) -> FromChild | None:
    """Take one message off the front of what a child has sent; None while it is incomplete.

    Raises:
        ValueError: these bytes are no message.
    """
    if len(buffer) < _HEAD.size:
        return None
    (size,) = _HEAD.unpack_from(buffer)
    if size > MOST_BYTES:
        raise ValueError(f"a message of {size:,} bytes")
    end = _HEAD.size + size
    if len(buffer) < end:
        return None
    content = bytes(buffer[_HEAD.size : end])
    del buffer[:end]
    return _FROM_CHILD.decode(content)  # raises subclasses of ValueError


class ChildEnd:
    """The child's end of a channel, which waits as long as it takes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, message: FromChild) -> None:
        """Send a message."""
        self.connection.sendall(packed(message))

    def receive(self) -> tuple[ToChild, int | None]:
        """The next message, and the descriptor that came with it.

        Raises:
            EOFError: nobody is at the other end any more.
        """
        head, descriptors, _, _ = socket.recv_fds(self.connection, _HEAD.size, 1)
        head += self._exactly(_HEAD.size - len(head)) if head else b""
        if not head:
            raise EOFError
        (size,) = _HEAD.unpack(head)
        message = _TO_CHILD.decode(self._exactly(size))
        return message, descriptors[0] if descriptors else None

    def _exactly(self, size: int) -> bytes:
        content = bytearray(size)
        view, filled = memoryview(content), 0
        while filled < size:
            n = self.connection.recv_into(view[filled:])
            if n == 0:
                raise EOFError
            filled += n
        return bytes(content)
