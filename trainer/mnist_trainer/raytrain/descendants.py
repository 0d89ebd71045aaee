"""End what a Ray cluster of our own has started, when there is no time to end it in good order."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_ENDED_BY_THE_KERNEL = ("gcs_server", "raylet")


def kill_ray_workers() -> None:
    """Kill all descendants but Ray's servers: the kernel ends those with this process, workers would linger a while.

    (Were the raylet killed first, Ray would end this process with a status of its own.) Does nothing without /proc.
    """
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            head, _, tail = entry.read_text().rpartition(")")
            pid, _, name = head.partition(" (")
            children.setdefault(int(tail.split()[1]), []).append(int(pid))
            names[int(pid)] = name
    waiting = [os.getpid()]
    while waiting:
        for child in children.get(waiting.pop(), []):
            waiting.append(child)
            if names[child] not in _ENDED_BY_THE_KERNEL:
                with contextlib.suppress(OSError):
                    os.kill(child, signal.SIGKILL)
