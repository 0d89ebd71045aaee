"""What the user's command prints: without secrets, to this process's output and into a log, neither without end."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

from mnist_trainer.code.redaction import Redaction

SHOWN_BYTES = 32 << 20
"""After so much, no more is shown in the job's log, which would fill the head's disk; the uploaded log goes on."""
_LINE_BYTES = 32 << 10
_TAIL_LINES = 40


class Printed:
    """Takes what is read of the command's two outputs; a secret is struck out even where a long line is cut."""

    def __init__(
        self,
        redacted: Redaction,
        log: Callable[[str], None],
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        shown_bytes: int = SHOWN_BYTES,
    ) -> None:
        self._redacted = redacted
        self._log = log
        self._streams = {"stdout": stdout or sys.stdout, "stderr": stderr or sys.stderr}
        self._pending = {"stdout": b"", "stderr": b""}
        self._left = shown_bytes
        self._tails: dict[str, deque[str]] = {name: deque(maxlen=_TAIL_LINES) for name in self._streams}
        self._lock = threading.Lock()

    def take(self, name: str, data: bytes) -> None:
        """More of the output `name`; b"" at its end."""
        pending = self._pending[name] + data
        end = len(pending) if not data else pending.rfind(b"\n") + 1
        if not end and len(pending) > _LINE_BYTES:
            # A line without end: whole secrets go before it is cut, and what may be the beginning of one waits.
            pending = self._redacted(pending.decode(errors="replace")).encode()
            end = max(0, len(pending) - 4 * max(1, self._redacted.longest))
        self._pending[name] = pending[end:]
        if end:
            self._write(name, self._redacted(pending[:end].decode(errors="replace")))

    def tail(self) -> str:
        """The last lines of standard error; those of standard output if nothing is there."""
        with self._lock:
            return "\n".join(self._tails["stderr"] or self._tails["stdout"])

    def _write(self, name: str, text: str) -> None:
        with self._lock:
            self._tails[name].extend(line[:1000] for line in text.splitlines() if line.strip())
            self._log(text if text.endswith("\n") else text + "\n")
            if self._left <= 0:
                return
            self._left -= len(text)
            stream = self._streams[name]
            stream.write(text)
            if self._left <= 0:
                stream.write("\n... more is printed than is shown here: the end is in the uploaded log\n")
            stream.flush()
