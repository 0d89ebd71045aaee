"""Log files of one attempt in a folder: `driver.log`, and what was before it in `driver.1.log` and so on."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from pathlib import Path

PART_BYTES = 8 << 20
PARTS = 4
"""Files of each log, the one that is written to among them; older ones go."""


class RotatedLog:
    """One log, of at most `parts` files of about `part_bytes` bytes each. Safe for threads; raises nothing.

    A log that cannot be written (the disk is full) is no reason for a run to fail.
    """

    def __init__(self, folder: Path, name: str, part_bytes: int = PART_BYTES, parts: int = PARTS) -> None:
        self._folder = folder
        self._name = name
        self._part_bytes = part_bytes
        self._parts = parts
        self._lock = threading.Lock()
        self._size = 0

    def write(self, text: str) -> None:
        """Append a text of whole lines."""
        data = text.encode(errors="replace")
        with self._lock, contextlib.suppress(OSError):
            for start in range(0, len(data), self._part_bytes):
                self._append(data[start : start + self._part_bytes])

    def begin_with(self, data: bytes) -> None:
        """Put what an earlier process of the same attempt has logged before all that is written here."""
        with self._lock, contextlib.suppress(OSError):
            written = self.path(0).read_bytes() if self.path(0).exists() else b""
            self.path(0).write_bytes(data + b"--- started over ---\n" + written)
            self._size = self.path(0).stat().st_size

    def path(self, part: int) -> Path:
        """The file of the newest part (0) or of an older one."""
        return self._folder / (f"{self._name}.{part}.log" if part else f"{self._name}.log")

    def _append(self, data: bytes) -> None:
        if self._size and self._size + len(data) > self._part_bytes:
            self._rotate()
        with self.path(0).open("ab") as file:
            file.write(data)
        self._size += len(data)

    def _rotate(self) -> None:
        for part in range(self._parts - 1, 0, -1):
            if self.path(part - 1).exists():
                self.path(part - 1).replace(self.path(part))
        self._size = 0


class LogHandler(logging.Handler):
    """Gives `write` what Python's logging says, a line at a time."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(Exception):
            self._write(self.format(record) + "\n")
