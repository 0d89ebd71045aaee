"""One part of the stack: a process that dies with its supervisor, and its log."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mnist_local.stack.errors import StackError

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TAIL_LINES = 12
_TAIL_BYTES = 16 * 1024
_POLL_S = 0.03


@dataclass(frozen=True)
class PartPlan:
    """How a part is started, and how one sees that it serves.

    `is_ready` gets the text that the part has logged since its last start. `grace_s` is the time between SIGTERM and
    SIGKILL.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    is_ready: Callable[[str], Awaitable[bool]]
    start_s: float = 30.0
    grace_s: float = 5.0


class Part:
    """A started part."""

    def __init__(self, plan: PartPlan, log: Path) -> None:
        self.plan = plan
        self.log = log
        self.started = 0.0
        self._offset = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start the process, its output appended to the log."""
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        self.started = time.monotonic()
        parent = os.getpid()
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.plan.command,
                env=dict(self.plan.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Its own group: a Ctrl-C in the terminal is for whoever started the stack, who then ends it in order.
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),
            )

    async def ready(self) -> None:
        """Wait until the part serves. Raises StackError when it ends before that, or takes too long."""
        deadline = time.monotonic() + self.plan.start_s
        while not await self.plan.is_ready(self._new_text()):
            if self._process is None or self._process.returncode is not None:
                raise self.failure("did not start")
            if time.monotonic() > deadline:
                raise self.failure(f"did not start within {self.plan.start_s:.0f} s")
            await asyncio.sleep(_POLL_S)

    async def wait(self) -> int:
        """The exit status, once it has ended (negative: the signal that ended it)."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL when its grace is over."""
        if self._process is None or self._process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), self.plan.grace_s)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def failure(self, what: str) -> StackError:
        """The error that tells how it ended, with the end of its log."""
        code = self._process.returncode if self._process else None
        return StackError(f"{self.plan.name} {what}{_how(code)}", self.tail(), str(self.log))

    def tail(self) -> tuple[str, ...]:
        """The last lines it logged since its last start."""
        return tuple(line[:300] for line in self._new_text()[-_TAIL_BYTES:].splitlines()[-_TAIL_LINES:] if line.strip())

    def _new_text(self) -> str:
        with self.log.open("rb") as file:
            file.seek(self._offset)
            return file.read().decode(errors="replace")


def _how(code: int | None) -> str:
    if code is None:
        return ""
    if code >= 0:
        return f" (exit code {code})"
    try:
        return f" (killed by {signal.Signals(-code).name})"
    except ValueError:
        return f" (killed by signal {-code})"


def _die_with(parent: int) -> None:
    """In the new process: get SIGKILL when the parent ends, even if it ended just now."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
