"""When something may start: the turns in which Ray nodes start, and the pauses after failures.

A few Ray nodes at a time start on one machine, whichever stack they belong to. Ray gives a node 30 s, fixed, from its
first process until the GCS knows it. Eight nodes that start together on two busy cores all miss that, end, and are
replaced together, for ever. So a node waits for a turn before its first process, and keeps it until it has joined its
cluster. A turn is a lock on a file that all local stacks of a user share; it ends with the process that holds it,
however that ends.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from mnist_kube.pacing import backoff

_POLL_S = 0.1
_FIRST_PAUSE_S = 10.0
_LONGEST_PAUSE_S = 300.0
_FORGOTTEN_AFTER_S = 600.0


def default_count() -> int:
    """One start for each core, and one more, since a start also waits for others."""
    return (os.cpu_count() or 1) + 1


def shared_folder() -> Path:
    """The folder of this user's locks; one of this process's own where another user has taken the name."""
    folder = Path(tempfile.gettempdir()) / f"mnist-local-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder if folder.stat().st_uid == os.getuid() else Path(tempfile.mkdtemp(prefix="mnist-local-"))


Turn = BaseFileLock
"""A start that is under way; its `release`, which may be called more than once, lets the next one start."""


class Starts:
    """The turns of this machine, `count` at a time; those who wait in one process get theirs in order.

    A node that did not join in time makes it one fewer, one that did makes it one more, up to `count`.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self._files = [folder / f"start-{number}" for number in range(count)]
        self._at_once = count
        self._first_in_line = asyncio.Lock()

    def take(self) -> Turn | None:
        """A turn that is free now, unless somebody waits for it."""
        return None if self._first_in_line.locked() else self._free()

    def learn(self, joined: bool) -> None:
        """Take in how a start has gone."""
        self._at_once = min(len(self._files), self._at_once + 1) if joined else max(1, self._at_once - 1)

    async def wait(self) -> Turn:
        async with self._first_in_line:
            while (turn := self._free()) is None:  # noqa: ASYNC110 - other processes hold them
                await asyncio.sleep(_POLL_S)
            return turn

    def _free(self) -> Turn | None:
        for file in self._files[: self._at_once]:
            lock = FileLock(file, is_singleton=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            return lock
        return None


class Backoff:
    """One container, or one replica of a RayCluster: again at once, then after 10 s, 20 s, 40 s … 5 min.

    Ten minutes of running make it begin anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self.failures = 0

    def failed(self, ran_s: float) -> float:
        """Take in an end after `ran_s` seconds of running; returns the seconds until the next start."""
        if ran_s >= _FORGOTTEN_AFTER_S:
            self.failures = 0
        delay = backoff(self.failures - 1, _FIRST_PAUSE_S, _LONGEST_PAUSE_S) if self.failures else 0.0
        self.failures += 1
        self._until = self._clock() + delay
        return delay

    @property
    def remaining_s(self) -> float:
        return max(0.0, self._until - self._clock())
