"""How the engine is compiled, and where the result is kept.

``jit`` marks a rule; it is compiled into the entry points that use it. ``entry`` marks the few
functions that Python calls: they release the GIL (threads run them over slices of a batch) and are
cached on disk. ``error_model="numpy"`` drops Python's zero-division checks; the engine divides
nowhere by a value that can be zero.

The rules live in many files, so compiled code is kept in a folder named after a hash of all of
them: see `cagexplain.common.compiling`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from cagexplain.common.compiling import Store
from cagexplain.sim.types import Array, Batch

_PACKAGE: Final = Path(__file__).parent.parent
_STORE: Final = Store("engine", [*_PACKAGE.glob("sim/*.py"), *_PACKAGE.glob("cc4/*.py")])


def _plain(value_type: Any) -> Any:
    """An integer of any width, or a constant, is an int64."""
    kind = types.unliteral(value_type)
    return types.int64 if kind in types.signed_domain else kind


def jit(function: Callable[..., Any]) -> Any:
    """Compiles a rule. Numba would compile it anew for each width of its integers and for each
    constant that it is called with; calls from compiled code are widened to int64 instead."""
    rule: Any = njit(nogil=True, error_model="numpy")(function)
    usual = rule.get_call_template
    rule.get_call_template = lambda args, kws: usual(tuple(map(_plain, args)), kws)
    return rule


def entry(function: Callable[..., Any]) -> Any:
    """Compiles a function that Python calls, and keeps it on the disk."""
    return _STORE.keep(njit(nogil=True, error_model="numpy")(function))


def _prefetch(_context: Any, batch: Any, byte: Any) -> Any:
    """Asks the processor to bring a byte of a batch into the cache, without waiting for it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.gep(builder.bitcast(data, pointer), [arguments[1]])
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        builder.call(prefetch, [address, flag(0), flag(2), flag(1)])
        return context.get_dummy_value()

    return types.void(batch, types.intp), emit


_touch: Any = intrinsic(_prefetch)


@jit
def fetch_ahead(states: Batch, e: int, bytes_wanted: Array) -> None:
    """Brings some bytes of an environment's record, with the cache lines they lie in, closer while
    others are being stepped: with many environments, half a step is waiting for memory.

    ``bytes_wanted`` (``int64[k]``) are positions in the record.
    """
    if e < states.size:
        for byte in bytes_wanted:
            _touch(states, e * states.itemsize + byte)
