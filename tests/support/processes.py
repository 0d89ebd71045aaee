"""Processes that belong to a folder, and waiting for them to go."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path


def processes_of(folder: Path) -> dict[int, str]:
    """Pid and command line of every other living process that has `folder` in its command line or environment."""
    mark = str(folder).encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in (os.getpid(), os.getppid()):
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if mark in command or mark in (entry / "environ").read_bytes():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace")[:160]
    return found


def kill_all(pids: Iterable[int]) -> None:
    """Kill processes, of which some may end by themselves meanwhile."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def assert_none_left(folder: Path, seconds: float = 15.0) -> None:
    """Fail if processes of a folder are still there after some time."""
    deadline = time.monotonic() + seconds
    while left := processes_of(folder):
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.05)
