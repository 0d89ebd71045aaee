"""Find and end the descendants of a process.

Linux gives a supervisor every orphaned descendant back (child subreaper), so the process table under its pid is
complete. Elsewhere only the process groups that the supervisor itself made can be found.
"""

import contextlib
import ctypes
import os
import signal
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PROC = Path("/proc")


def become_subreaper() -> bool:
    """Let orphaned descendants be re-parented to this process (Linux); False where the system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def _parents() -> dict[int, int]:
    """Parent pid by pid, of every process that is not yet a zombie."""
    table: dict[int, int] = {}
    for entry in os.scandir(_PROC):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            stat = (_PROC / entry.name / "stat").read_bytes()
            # The command may hold spaces and brackets; the fields after its last ")" are fixed.
            state, parent = stat[stat.rindex(b")") + 2 :].split()[:2]
            if state not in {b"Z", b"X"}:
                table[int(entry.name)] = int(parent)
    return table


def descendants(root: int) -> list[int]:
    """Pids of all living descendants of `root`, children before their own children."""
    if not _PROC.is_dir():
        return []
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    frontier = [root]
    while frontier:
        below = children.get(frontier.pop(0), [])
        found.extend(below)
        frontier.extend(below)
    return found


def environment_value(pid: int, name: str) -> str | None:
    """The value that `name` had in the environment a process was started with, or None (unreadable or unset)."""
    try:
        block = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return None
    prefix = name.encode() + b"="
    for item in block.split(b"\0"):
        if item.startswith(prefix):
            return item[len(prefix) :].decode(errors="replace")
    return None


def marked(name: str, value: str) -> list[int]:
    """Pids of all processes but this one that were started with `name` set to `value`."""
    if not _PROC.is_dir():
        return []
    pids = (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())
    return [pid for pid in pids if pid != os.getpid() and environment_value(pid, name) == value]


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
