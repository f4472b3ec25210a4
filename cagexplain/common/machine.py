"""What the machine offers to this process."""

import os


def cores() -> int:
    """Number of processor cores that this process may use: those that it was given, where the
    operating system tells (Linux; containers and batch systems give fewer), else all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
