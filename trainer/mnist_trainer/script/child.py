"""The user's command as a process: in a session of its own, with its output read, and nothing of it left at the end."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

from mnist_trainer.errors import CodeInvalidError, CodeNotFoundError

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_CHUNK = 64 << 10
_PIPES_SECONDS = 5.0
_KILL_SECONDS = 5.0

Sink = Callable[[str, bytes], None]
"""Called with "stdout" or "stderr" and what was read of it, in order of each; b"" at its end."""


class Child:
    """A running command. What it starts belongs to it: processes that detach themselves, too."""

    def __init__(self, command: Sequence[str], folder: Path, env: Mapping[str, str], sink: Sink) -> None:
        """Start it. Raises CodeNotFoundError or CodeInvalidError when there is nothing to start."""
        _adopt_orphans()
        self._before = {process.pid for process in psutil.Process().children(recursive=True)}
        try:
            self._process = subprocess.Popen(
                list(command),
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        except FileNotFoundError:
            raise CodeNotFoundError(
                f"spec.code.command: there is no program {command[0]!r}, neither on PATH nor in the code's folder"
            ) from None
        except (PermissionError, OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            raise CodeInvalidError(f"spec.code.command: {command[0]!r} cannot be started: {said}") from None
        self._readers = [
            threading.Thread(target=_read, args=(name, pipe, sink), name=f"child-{name}", daemon=True)
            for name, pipe in (("stdout", self._process.stdout), ("stderr", self._process.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def poll(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it runs."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """The same, after waiting for it at most so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def stop(self, grace: float) -> None:
        """Ask the command and all that it started to end (SIGTERM), and wait for the command."""
        for process in self._family():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGTERM)
        self.wait(grace)

    def clean_up(self) -> int:
        """End all that is left of it, and read what is left of its output; how many processes were left."""
        left = {process.pid: process for process in self._family() if process.pid != self._process.pid}
        deadline = time.monotonic() + _KILL_SECONDS
        while (family := self._family()) and time.monotonic() < deadline:  # more may be born while they are killed
            for process in family:
                with contextlib.suppress(psutil.Error):
                    process.kill()
            psutil.wait_procs(family, timeout=0.2)
        self.wait(1.0)
        for reader in self._readers:
            reader.join(_PIPES_SECONDS)
        return len(left)

    def _family(self) -> list[psutil.Process]:
        """The command and its descendants that live. Orphans are this process's children, for it adopts them."""
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if process.pid not in self._before and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


def _read(name: str, pipe: IO[bytes] | None, sink: Sink) -> None:
    assert pipe is not None
    with contextlib.suppress(OSError, ValueError):
        while data := os.read(pipe.fileno(), _CHUNK):
            sink(name, data)
    sink(name, b"")


_LIBC = ctypes.CDLL(None)  # before any fork: loading takes locks


def _adopt_orphans() -> None:
    """From now on a process whose parent ends becomes a child of this one, and not of the container's first."""
    with contextlib.suppress(AttributeError):  # Linux alone has it
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _die_with_parent() -> None:
    with contextlib.suppress(AttributeError):
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
