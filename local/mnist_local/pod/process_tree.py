"""Find and end the descendants of a process.

Linux gives a shim every orphaned descendant back (child subreaper), so the process table under its pid is
complete. Elsewhere what has detached itself is not found.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time

import psutil

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_GONE = (psutil.Error, OSError)


def become_subreaper() -> None:
    """Let orphaned descendants be re-parented to this process, where the system can."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> list[int]:
    """Return the pids of all living descendants of `root`; what only waits to be reaped does not live."""
    with contextlib.suppress(*_GONE):
        return [child.pid for child in psutil.Process(root).children(recursive=True) if _lives(child)]
    return []


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(*_GONE):
        return process.status() not in {psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD}
    return False


def environment_value(pid: int, name: str) -> str | None:
    """Return the value that `name` had in the environment a process was started with; None if unreadable or unset."""
    with contextlib.suppress(*_GONE):
        return psutil.Process(pid).environ().get(name)
    return None


def marked(name: str, value: str) -> list[int]:
    """Return the pids of all processes but this one that were started with `name` set to `value`."""
    return [pid for pid in psutil.pids() if pid != os.getpid() and environment_value(pid, name) == value]


def kill(pids: list[int]) -> None:
    """SIGKILL each pid; those already gone are ignored."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_descendants(root: int, deadline_s: float = 5.0) -> list[int]:
    """SIGKILL all descendants of `root` until none is left; returns those that outlive the deadline.

    A process may fork between the look and the kill, so this looks again until a look finds nothing.
    """
    until = time.monotonic() + deadline_s
    while (alive := descendants(root)) and time.monotonic() < until:
        kill(alive)
        time.sleep(0.005)
    return alive
