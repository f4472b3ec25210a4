"""NumPy's PCG64 generator and its draws, compiled: the only source of chance in the engine.

A generator is a row of six ``uint64``: the two halves of the 128-bit state, those of the increment,
and the buffered half of the last 64-bit output that a 32-bit draw left over (flag, value). Each
function consumes the stream exactly as ``numpy.random.Generator`` does (checked against it in
``tests/sim/test_rng.py``).
"""

import numpy as np
import numpy.typing as npt

from cagexplain.sim.jit import jit
from cagexplain.sim.types import Array

WORDS = 6
_HI, _LO, _INC_HI, _INC_LO, _HAS_32, _BUFFER_32 = range(WORDS)

_MULTIPLIER_HI = np.uint64(0x2360ED051FC65DA4)
_MULTIPLIER_LO = np.uint64(0x4385DF649FCCF645)
_LOW_32 = np.uint64(0xFFFFFFFF)
_TWO_32 = np.uint64(1 << 32)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_U5, _U11, _U32, _U58, _U63, _U64 = (np.uint64(n) for n in (5, 11, 32, 58, 63, 64))
_TO_DOUBLE = 1.0 / 9007199254740992.0


def seeded(seed: int) -> npt.NDArray[np.uint64]:
    """Generator row of ``numpy.random.default_rng(seed)``."""
    return from_numpy(np.random.PCG64(seed))


def from_numpy(generator: np.random.PCG64) -> npt.NDArray[np.uint64]:
    """Generator row that continues a NumPy bit generator."""
    state = generator.state
    value, increment = state["state"]["state"], state["state"]["inc"]
    mask = (1 << 64) - 1
    return np.array(
        [
            value >> 64,
            value & mask,
            increment >> 64,
            increment & mask,
            state["has_uint32"],
            state["uinteger"],
        ],
        dtype=np.uint64,
    )


def to_numpy(row: npt.NDArray[np.uint64]) -> np.random.PCG64:
    """NumPy bit generator that continues a generator's row, ``uint64[6]``."""
    words = [int(word) for word in row]
    generator = np.random.PCG64(0)
    generator.state = {
        "bit_generator": "PCG64",
        "state": {
            "state": words[_HI] << 64 | words[_LO],
            "inc": words[_INC_HI] << 64 | words[_INC_LO],
        },
        "has_uint32": words[_HAS_32],
        "uinteger": words[_BUFFER_32],
    }
    return generator


@jit
def _high_product(a: np.uint64, b: np.uint64) -> np.uint64:
    """Upper 64 bits of the 128-bit product of two unsigned 64-bit numbers."""
    a_lo, a_hi = a & _LOW_32, a >> _U32
    b_lo, b_hi = b & _LOW_32, b >> _U32
    low = a_lo * b_lo
    middle = a_hi * b_lo + (low >> _U32)
    other = a_lo * b_hi + (middle & _LOW_32)
    return a_hi * b_hi + (middle >> _U32) + (other >> _U32)


@jit
def next_64(g: Array) -> np.uint64:
    """Next 64-bit output: multiply-add modulo 2**128, then XSL-RR of the new state.

    ``g`` is the generator's row, ``uint64[6]``.
    """
    lo = g[_LO]
    hi = g[_HI] * _MULTIPLIER_LO + lo * _MULTIPLIER_HI + _high_product(lo, _MULTIPLIER_LO)
    lo = lo * _MULTIPLIER_LO
    new_lo = lo + g[_INC_LO]
    hi = hi + g[_INC_HI] + (_ONE if new_lo < lo else _ZERO)
    g[_LO] = new_lo
    g[_HI] = hi
    mixed = hi ^ new_lo
    turn = hi >> _U58
    return (mixed >> turn) | (mixed << ((_U64 - turn) & _U63))


@jit
def next_32(g: Array) -> np.uint64:
    """Next 32-bit output: the low half of a 64-bit one, then its high half.

    ``g`` is the generator's row, ``uint64[6]``.
    """
    if g[_HAS_32] != _ZERO:
        g[_HAS_32] = _ZERO
        return g[_BUFFER_32]
    word = next_64(g)
    g[_HAS_32] = _ONE
    g[_BUFFER_32] = word >> _U32
    return word & _LOW_32


@jit
def uniform(g: Array) -> float:
    """``Generator.random()``: float64 in [0, 1).

    ``g`` is the generator's row, ``uint64[6]``.
    """
    return np.float64(next_64(g) >> _U11) * _TO_DOUBLE


@jit
def below(g: Array, n: int) -> int:
    """``Generator.integers(n)`` and ``Generator.choice(n)``: 0 <= result < n, by Lemire's method.

    A single possible value consumes nothing. ``g`` is the generator's row, ``uint64[6]``.
    """
    if n <= 1:
        return 0
    size = np.uint64(n)
    product = next_32(g) * size
    low = product & _LOW_32
    if low < size:
        threshold = (_TWO_32 - size) % size
        while low < threshold:
            product = next_32(g) * size
            low = product & _LOW_32
    # By way of int64: Numba would turn an index that mixes signed and unsigned into a float.
    return int(np.int64(product >> _U32))


@jit
def between(g: Array, lowest: int, highest: int) -> int:
    """``Generator.integers(lowest, highest + 1)``: both ends included.

    ``g`` is the generator's row, ``uint64[6]``.
    """
    return lowest + below(g, highest - lowest + 1)


@jit
def skip_shuffle(g: Array, n: int) -> None:
    """Consumes what ``Generator.shuffle`` of a list of n does; nobody needs the order itself.

    ``g`` is the generator's row, ``uint64[6]``.
    """
    remaining = np.uint64(n - 1)
    mask = _ONE
    while mask < remaining:
        mask = (mask << _ONE) | _ONE
    # A number beyond what is left is drawn again. Whether it is cannot be predicted, so that
    # counting is faster than branching.
    while remaining > _ZERO:
        remaining -= np.uint64((next_32(g) & mask) <= remaining)
        mask >>= np.uint64((mask >> _ONE) >= remaining)
