"""The in-memory store: tables of immutable, pre-serialised objects under one version counter, with a change log.

Everything runs on one event loop thread, so a write is atomic without locks. Objects in the store are never changed in
place: a writer takes a private copy (`Entry.copy`), and `Store.put` makes a new entry of it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import orjson

from mnist_local.apiserver.errors import Obj

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped objects."""

EVENT_WINDOW = 5_000


@dataclass(slots=True, eq=False)
class Entry:
    """One version of one object: the parsed form (read only), its JSON bytes, and its resource version."""

    key: Key
    obj: Obj
    raw: bytes
    rv: int

    def copy(self) -> Obj:
        out: Obj = orjson.loads(self.raw)
        return out


@dataclass(slots=True, eq=False)
class Event:
    """A change; `previous` is None for ADDED; for DELETED `entry` is the last state at the version of the deletion."""

    type: str
    entry: Entry
    previous: Entry | None

    @property
    def rv(self) -> int:
        return self.entry.rv


class Listener(Protocol):
    """Whoever is told of each change of a table, right after it happened."""

    def offer(self, event: Event) -> None:
        """Take note of the change; must neither block nor write to the store."""

    def end(self) -> None:
        """Take note that the table is gone."""


class Table:
    """All objects of one resource, sorted by key, and the log of their recent changes."""

    def __init__(self, name: str, rv: int, window: int = EVENT_WINDOW) -> None:
        self.name = name
        self.objects: dict[Key, Entry] = {}
        self.keys: list[Key] = []
        self.log: deque[Event] = deque(maxlen=window)
        self.floor = rv
        """Changes at or before this version are no longer in the log."""
        self.listeners: set[Listener] = set()

    def get(self, namespace: str, name: str) -> Entry | None:
        return self.objects.get((namespace, name))

    def select(self, namespace: str | None, start: Key | None = None) -> Iterator[Entry]:
        """Yield entries in key order, of one namespace or of all (None), from the first key after `start`."""
        low = bisect_left(self.keys, (namespace or "", "")) if namespace is not None else 0
        if start is not None:
            low = max(low, bisect_left(self.keys, (start[0], start[1] + "\0")))
        objects = self.objects
        for index in range(low, len(self.keys)):
            key = self.keys[index]
            if namespace is not None and key[0] != namespace:
                return
            yield objects[key]

    def since(self, rv: int) -> Iterator[Event]:
        events = self.log
        if not events or events[-1].rv <= rv:
            return
        recent: list[Event] = []
        for event in reversed(events):
            if event.rv <= rv:
                break
            recent.append(event)
        yield from reversed(recent)

    def unchanged_since(self, rv: int) -> bool:
        return not self.log or self.log[-1].rv <= rv

    def at(self, rv: int) -> dict[Key, Entry]:
        """Return the objects as they were at a version not before `floor`, by undoing the changes since."""
        objects = dict(self.objects)
        for event in reversed(list(self.since(rv))):
            if event.previous is None:
                objects.pop(event.entry.key, None)
            else:
                objects[event.entry.key] = event.previous
        return objects

    def record(self, event: Event) -> None:
        log = self.log
        if len(log) == log.maxlen:
            self.floor = log[0].rv
        log.append(event)
        for listener in tuple(self.listeners):
            listener.offer(event)


class Store:
    """All tables under one resource version counter."""

    def __init__(self) -> None:
        self.rv = 1
        self.tables: dict[str, Table] = {}
        self._hooks: list[Callable[[str, Event], None]] = []

    def table(self, name: str) -> Table:
        table = self.tables.get(name)
        if table is None:
            table = self.tables[name] = Table(name, self.rv)
        return table

    def drop(self, name: str) -> None:
        table = self.tables.pop(name, None)
        if table is not None:
            for listener in tuple(table.listeners):
                listener.end()

    def subscribe(self, hook: Callable[[str, Event], None]) -> None:
        """Call `hook(table name, event)` after each change of any table."""
        self._hooks.append(hook)

    def restore(self, version: int, objects: Iterable[tuple[str, Key, Obj]]) -> None:
        """Fill an empty store with (table name, key, object), each under the version that it has.

        The hooks are told of each object as if it were new. What happened up to `version` is not in the logs, so that
        watches from an earlier one are told to start again.
        """
        self.rv = version
        for name, key, obj in objects:
            table = self.table(name)
            entry = Entry(key, obj, orjson.dumps(obj), int(obj["metadata"]["resourceVersion"]))
            table.objects[key] = entry
            insort(table.keys, key)
            for hook in self._hooks:
                hook(name, Event("ADDED", entry, None))

    def put(self, table: Table, key: Key, obj: Obj) -> Entry:
        self.rv += 1
        obj["metadata"]["resourceVersion"] = str(self.rv)
        entry = Entry(key, obj, orjson.dumps(obj), self.rv)
        previous = table.objects.get(key)
        table.objects[key] = entry
        if previous is None:
            insort(table.keys, key)
        self._commit(table, Event("ADDED" if previous is None else "MODIFIED", entry, previous))
        return entry

    def remove(self, table: Table, key: Key) -> Entry:
        """Delete an object; the entry returned is its last state under the deletion's resource version."""
        previous = table.objects.pop(key)
        del table.keys[bisect_left(table.keys, key)]
        self.rv += 1
        obj = previous.copy()
        obj["metadata"]["resourceVersion"] = str(self.rv)
        entry = Entry(key, obj, orjson.dumps(obj), self.rv)
        self._commit(table, Event("DELETED", entry, previous))
        return entry

    def _commit(self, table: Table, event: Event) -> None:
        table.record(event)
        for hook in self._hooks:
            hook(table.name, event)
