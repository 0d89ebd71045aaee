"""watch: a stream of changes from a version on, or from the present state."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque

import orjson
from aiohttp import web

from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.errors import Obj, bad_option, expired
from mnist_local.apiserver.read import headers_of, version_of
from mnist_local.apiserver.request import Call, wants_table
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.selectors import Match, selection
from mnist_local.apiserver.store import Entry, Event, Table
from mnist_local.apiserver.tables import table_of

_BUFFER = 20_000
"""A watcher further behind than this is cut off, and starts again from its last version."""
_BOOKMARK_SECONDS = 60.0


class Watcher:
    """One client's queue of changes that pass its selection."""

    def __init__(self, namespace: str | None, name: str, match: Match | None) -> None:
        self.namespace = namespace
        self.name = name
        self.match = match
        self.queue: deque[tuple[str, Entry]] = deque()
        self.wake = asyncio.Event()
        self.overrun = False
        self.after = 0

    def selects(self, entry: Entry) -> bool:
        namespace, name = entry.key
        return (
            (self.namespace is None or namespace == self.namespace)
            and (not self.name or name == self.name)
            and (self.match is None or self.match(entry.obj))
        )

    def offer(self, event: Event) -> None:
        """Queue a change as this client sees it: entering the selection is ADDED, leaving it DELETED."""
        if event.rv <= self.after:
            return
        before = event.previous is not None and self.selects(event.previous)
        after = event.type != "DELETED" and self.selects(event.entry)
        if after:
            self._queue("MODIFIED" if before else "ADDED", event.entry)
        elif before and event.type == "DELETED":
            self._queue("DELETED", event.entry)
        elif before and event.previous is not None:
            # The client last saw the former state; it gets that under the new version.
            obj = event.previous.copy()
            obj["metadata"]["resourceVersion"] = str(event.rv)
            self._queue("DELETED", Entry(event.entry.key, obj, orjson.dumps(obj), event.rv))

    def _queue(self, type_: str, entry: Entry) -> None:
        if len(self.queue) >= _BUFFER:
            self.overrun = True
        else:
            self.queue.append((type_, entry))
        self.wake.set()

    def end(self) -> None:
        self.overrun = True
        self.wake.set()


class _Frames:
    """Encodes events as lines of JSON."""

    def __init__(self, resource: Resource, as_table: bool, include: str) -> None:
        self._resource = resource
        self._as_table = as_table
        self._include = include
        self._first = True

    def line(self, type_: str, entry: Entry) -> bytes:
        if self._as_table:
            table = table_of(self._resource, [entry], self._include)
            table["metadata"] = {"resourceVersion": str(entry.rv)}
            if not self._first:
                table["columnDefinitions"] = []
            self._first = False
            return _line(type_, table)
        return b'{"type":"' + type_.encode() + b'","object":' + self._resource.raw(entry) + b"}\n"

    def bookmark(self, rv: int) -> bytes:
        metadata = {"resourceVersion": str(rv)}
        obj: Obj = {"kind": self._resource.kind, "apiVersion": self._resource.api_version, "metadata": metadata}
        if self._as_table:
            rows = [{"cells": [], "object": obj}]
            obj = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "rows": rows}
        return _line("BOOKMARK", obj)


def _line(type_: str, obj: Obj) -> bytes:
    return orjson.dumps({"type": type_, "object": obj}) + b"\n"


async def watch(engine: Engine, call: Call, request: web.BaseRequest) -> web.StreamResponse:
    """Stream changes until the client leaves, the time is up or the server stops."""
    if "sendInitialEvents" in call.query:
        # As a server without the feature does; clients list and watch instead.
        raise bad_option("ListOptions", fields.forbidden("sendInitialEvents", "is not served: list, then watch"))
    frames = _Frames(call.resource, wants_table(call.headers.get("Accept", "")), call.query.get("includeObject", ""))
    watcher = Watcher(call.namespace or None, call.info.name, selection(call.resource, call.query))
    table = engine.table(call.resource)
    first, failed = _initial(version_of(call, engine.store.rv), table, watcher, frames)
    # Listening starts before the first await, so that no change falls between the state and the stream.
    table.listeners.add(watcher)
    response = web.StreamResponse(headers=headers_of(call.warnings))
    response.enable_chunked_encoding()
    engine.wakes.add(watcher.wake)
    try:
        await response.prepare(request)
        if first:
            await response.write(first)
        if not failed:
            await _stream(engine, response, watcher, frames, call)
    except ConnectionError:
        pass
    finally:
        engine.wakes.discard(watcher.wake)
        table.listeners.discard(watcher)
    return response


def _initial(since: int, table: Table, watcher: Watcher, frames: _Frames) -> tuple[bytes, bool]:
    if not since:
        return b"".join(frames.line("ADDED", e) for e in table.select(watcher.namespace) if watcher.selects(e)), False
    if since < table.floor:
        return _line("ERROR", expired(f"too old resource version: {since} ({table.floor + 1})").status()), True
    watcher.after = since  # it may not be reached yet: the client hears of what comes after it
    for event in table.since(since):
        watcher.offer(event)
    return b"", False


async def _stream(engine: Engine, response: web.StreamResponse, watcher: Watcher, frames: _Frames, call: Call) -> None:
    text, now = call.query.get("timeoutSeconds", ""), asyncio.get_running_loop().time
    end = now() + (float(text) if text.isdigit() and int(text) else random.uniform(1800.0, 3600.0))
    pause = _BOOKMARK_SECONDS if call.flag("allowWatchBookmarks") else float("inf")
    next_bookmark = now() + pause
    while not engine.stopping:
        if watcher.queue:
            lines = [frames.line(*item) for item in watcher.queue]
            watcher.queue.clear()
            await response.write(b"".join(lines))
        elif now() >= end or watcher.overrun:
            return
        elif now() >= next_bookmark:
            next_bookmark = now() + pause
            await response.write(frames.bookmark(engine.store.rv))
        else:
            watcher.wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(end, next_bookmark) - now()):
                    await watcher.wake.wait()
