"""The log that an attempt left in the bucket: `<output>/logs/attempt-<n>/driver.log`, and older parts before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from mnist_client.errors import StorageError
from mnist_client.storage import told
from mnist_kube.objects import Object

if TYPE_CHECKING:
    from mnist_trainer.store import ObjectStore

_PART = re.compile(r"driver(?:\.(\d+))?\.log")
_MOST_BYTES = 256 << 20
_REMEMBERED = 4096

Stored = Callable[[Object, int], Coroutine[Any, Any, bytes | None]]
"""Reads the log that a training's attempt has uploaded so far; empty where there is none, None where we cannot tell."""


async def nothing_stored(training: Object, attempt: int) -> bytes | None:
    """Stand for a bucket without logs."""
    return None


class GrowingLog:
    """What is new in a log that is read again and again as a whole, and loses its beginning where it is rotated."""

    def __init__(self) -> None:
        self._size = 0
        self._end = b""

    def fresh(self, log: bytes) -> bytes:
        """Return what was not there at the last time."""
        start = self._known_of(log)
        self._size, self._end = len(log), log[-_REMEMBERED:]
        return log[start:]

    def _known_of(self, log: bytes) -> int:
        """How many bytes of the log were told."""
        if log[: self._size].endswith(self._end) and len(log) >= self._size:
            return self._size
        if (found := log.rfind(self._end)) >= 0:
            return found + len(self._end)
        # So much was rotated away that the log begins within what we remember, with a line.
        lines = self._end.splitlines(keepends=True)
        rests = (b"".join(lines[number:]) for number in range(1, len(lines)))
        return next((len(rest) for rest in rests if log.startswith(rest)), 0)


def read_log(open_store: Callable[[], ObjectStore], prefix: str, attempt: int) -> bytes | None:
    """Return the driver's log of an attempt, oldest part first; empty where there is none, None where we cannot tell.

    It blocks. `prefix` is the address below which everything of the training is kept.
    """
    from mnist_trainer.store import S3Address

    try:
        with told():
            store, folder = open_store(), S3Address.parse(prefix).child(f"logs/attempt-{attempt}")
            found = {info.address: _PART.fullmatch(info.address.name) for info in store.list(folder)}
            # driver.2.log is older than driver.1.log, and that than driver.log.
            parts = sorted((-int(match[1] or 0), address) for address, match in found.items() if match)
            return b"".join(store.get_bytes(address, _MOST_BYTES) for _, address in parts)
    except StorageError:
        return None
