"""The journal: every write of the store as a line of a file, so that a server that was killed goes on where it was.

It survives the end of the process, however that comes; it is not flushed to the disk, so it need not survive the end of
the machine. Each line is a JSON array: table, namespace, name, resource version, and the object, or null for one that
was deleted.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import BinaryIO

import orjson

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.store import Event, Key, Store

log = logging.getLogger(__name__)

_COMPACT_BYTES = 32 << 20
"""A journal that has grown by this much, and to more than twice what is live, is written anew."""

Live = dict[tuple[str, Key], Obj]


class JournalError(Exception):
    """The journal is not what this server writes."""


def read(path: Path) -> tuple[int, Live]:
    """Return the last resource version and the live objects by (table, key), the longest unchanged first.

    A last line without an end was being written when the server was killed: nobody was told that it is stored.

    Raises:
        JournalError: a line in the middle is damaged.
    """
    version, live = 0, Live()
    if not path.exists():
        return version, live
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                table, namespace, name, at, obj = orjson.loads(line)
            except ValueError as error:
                raise JournalError(f"{path}, line {number}, is damaged: remove the folder to start afresh") from error
            version = max(version, at)
            key = (table, (namespace, name))
            live.pop(key, None)
            if obj is not None:
                live[key] = obj
    return version, live


class Journal:
    """Writes what a store does to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._store: Store | None = None
        self._file: BinaryIO | None = None
        self._size = 0
        self._live_size = 0

    def attach(self, store: Store) -> None:
        """Fill an empty store with what the file holds, then note each of its writes.

        Raises:
            JournalError: the file is damaged.
            OSError: it cannot be read or written.
        """
        version, live = read(self._path)
        if version:
            store.restore(version, [(table, key, obj) for (table, key), obj in live.items()])
            log.info("went on with %d objects at resource version %d", len(live), version)
        self._store = store
        self._compact()
        store.subscribe(self._on_event)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _on_event(self, table: str, event: Event) -> None:
        raw = b"null" if event.type == "DELETED" else event.entry.raw
        line = _line(table, event.entry.key, event.rv, raw)
        try:
            self._append(line)
            self._size += len(line)
            if self._size > max(_COMPACT_BYTES, 2 * self._live_size):
                self._compact()
        except OSError as error:
            # Clients would be told of writes that a later start does not know: whoever supervises starts it again.
            log.critical(
                "the journal %s cannot be written: %s. The API server ends, so that it answers for nothing that is "
                "not kept; started again where there is room, it goes on from the last write that it answered for",
                self._path, error.strerror or error,
            )  # fmt: skip
            os._exit(1)

    def _append(self, line: bytes) -> None:
        """Write a whole line, unbuffered: what is answered stands in the file, even if this process is killed."""
        assert self._file is not None
        left = memoryview(line)
        while left:  # a disk that is nearly full takes a part of it without an error
            left = left[self._file.write(left) :]

    def _compact(self) -> None:
        assert self._store is not None
        partial = self._path.with_suffix(".partial")
        partial.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        entries = [
            (entry.rv, table.name, entry)
            for table in self._store.tables.values() for entry in table.objects.values()
        ]  # fmt: skip
        entries.sort(key=lambda item: item[0])
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            # The counter itself: the newest write may have been a deletion.
            file.write(_line("", ("", ""), self._store.rv, b"null"))
            for version, table_name, entry in entries:
                file.write(_line(table_name, entry.key, version, entry.raw))
            self._size = self._live_size = file.tell()
        partial.replace(self._path)
        self.close()
        self._file = self._path.open("ab", buffering=0)


def _line(table: str, key: Key, version: int, raw: bytes) -> bytes:
    head = orjson.dumps([table, key[0], key[1], version])
    return head[:-1] + b"," + raw + b"]\n"
