"""What a stack tells of itself: a file for whoever comes later, lines of JSON for whoever started it, a lock."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import BaseFileLock, FileLock, Timeout

Phase = Literal["starting", "up", "stopping", "failed"]

_RESERVED = 8192  # the file never gets shorter, so that a full disk has room for what it says next
_LOOP_S = 120.0  # longer than the longest pause and the time after which a part counts as steady


@dataclass
class PartState:
    """One part as `mnistctl local status` shows it. `ended_at` is a Unix time, 0.0 for a part that never ended."""

    name: str
    log: str
    pid: int | None = None
    state: str = "starting"
    restarts: int = 0
    ended_at: float = 0.0
    last_error: str = ""

    def is_in_trouble(self, now: float | None = None) -> bool:
        """Whether it is down, or ends again and again: one restart after which it runs is none."""
        recently = (time.time() if now is None else now) - self.ended_at < _LOOP_S
        return self.state == "crashed" or (self.restarts > 1 and recently)

    def lines(self, now: float | None = None) -> list[str]:
        """What there is to say of it: a line, and its last error where it is in trouble."""
        ago = (time.time() if now is None else now) - self.ended_at
        trouble = self.is_in_trouble(now)
        state = "restarting" if trouble else self.state
        again = f", {self.restarts} restart(s), the last {ago:.0f} s ago" if self.restarts else ""
        pid = f"pid {self.pid}" if self.pid else ""
        line = f"  {self.name:<13} {state:<10} {pid:<12} {self.log}{again}"
        return [line, f"    {self.last_error}"] if trouble and self.last_error else [line]


@dataclass
class StackState:
    """The stack as `mnistctl local status` shows it."""

    pid: int = field(default_factory=os.getpid)
    phase: Phase = "starting"
    message: str = ""
    kubeconfig: str = ""
    endpoint: str = ""
    parts: list[PartState] = field(default_factory=list)

    def write(self, path: Path) -> None:
        """Replace the state file; on a full disk, which must not end what still runs, write over it."""
        content = (json.dumps(asdict(self), indent=2) + "\n").encode().ljust(_RESERVED)
        partial = path.with_suffix(".partial")
        try:
            partial.write_bytes(content)
            partial.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            with contextlib.suppress(OSError), path.open("r+b") as file:
                file.write(content)

    @classmethod
    def read(cls, path: Path) -> StackState | None:
        """The state in a file, or None where there is none."""
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        parts = [PartState(**part) for part in content.pop("parts")]
        return cls(**content, parts=parts)


class Events:
    """Lines of JSON on stdout, until nobody reads them any more."""

    def __init__(self) -> None:
        self._open = True

    def emit(self, event: str, **fields: Any) -> None:
        if not self._open:
            return
        try:
            sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
            sys.stdout.flush()
        except OSError:
            # Whoever started us has gone on; Python would complain about the pipe once more at exit.
            self._open = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def take_lock(path: Path) -> BaseFileLock | None:
    """Take the lock of a folder, which ends with its process, however that ends; None if another process has it."""
    lock = FileLock(path, mode=0o600, is_singleton=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock at this path."""
    if not path.exists():
        return False
    lock = take_lock(path)
    if lock is not None:
        lock.release()
    return lock is None
