"""What the machine offers to this process."""

import contextlib
import ctypes
import os
from pathlib import Path


def cores() -> int:
    """Number of processor cores that this process may use: those that it was given, where the
    operating system tells (Linux; containers and batch systems give fewer), else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_bytes(system: Path = Path("/")) -> int:
    """Memory that this process can get without swapping, by the machine and by its container.

    Args:
        system: root of the file system that tells.
    """
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError, StopIteration):
        lines = (system / "proc/meminfo").read_text(encoding="ascii").splitlines()
        limits.append(next(1024 * int(line.split()[1]) for line in lines if "MemAvailable" in line))
    with contextlib.suppress(OSError, ValueError):  # "max" where there is no limit
        group = system / "sys/fs/cgroup"
        limit, used = (group / f"memory.{name}" for name in ("max", "current"))
        limits.append(int(limit.read_text()) - int(used.read_text()))
    return min(limits)


def trim() -> None:
    """Give memory back to the system that is free: the GNU C library keeps what lies below any that
    is in use. Other libraries are left alone."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
