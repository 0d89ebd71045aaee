"""watch: a stream of changes from a version on, or from the present state."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import Any

import orjson
from aiohttp import web

from mnist_local.apiserver import listoptions
from mnist_local.apiserver.call import Call
from mnist_local.apiserver.codec import Form, encode, form_of
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, Obj, expired
from mnist_local.apiserver.handlers.read import selection_of
from mnist_local.apiserver.handlers.responses import headers_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.selectors import Match
from mnist_local.apiserver.store import Entry, Event, Table
from mnist_local.apiserver.tables import table_of
from mnist_local.apiserver.views import partial_of, raw_of

_BUFFER = 20_000
"""A watcher further behind than this is cut off, and starts again from its last version."""
_BOOKMARK_SECONDS = 60.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


class Watcher:
    """One client's queue of changes that pass its selection."""

    def __init__(self, namespace: str | None, name: str, match: Match | None) -> None:
        self.namespace = namespace
        self.name = name
        self.match = match
        self.queue: deque[tuple[str, Entry, Event | None]] = deque()
        self.wake = asyncio.Event()
        self.overrun = False
        self.after = 0

    def offer(self, event: Event) -> None:
        """Queue a change as this client sees it: entering the selection is ADDED, leaving it DELETED."""
        key = event.entry.key
        if event.rv <= self.after:
            return
        if (self.namespace is not None and key[0] != self.namespace) or (self.name and key[1] != self.name):
            return
        seen = self._seen(event)
        if seen is None:
            return
        if len(self.queue) >= _BUFFER:
            self.overrun = True
        else:
            self.queue.append(seen)
        self.wake.set()

    def end(self) -> None:
        """End the stream."""
        self.overrun = True
        self.wake.set()

    def _seen(self, event: Event) -> tuple[str, Entry, Event | None] | None:
        if self.match is None:
            return event.type, event.entry, event
        before = event.previous is not None and self.match(event.previous.obj)
        after = event.type != "DELETED" and self.match(event.entry.obj)
        if after:
            return ("MODIFIED" if before else "ADDED"), event.entry, event
        if not before or event.previous is None:
            return None
        if event.type == "DELETED":
            return "DELETED", event.entry, event
        # The client last saw the former state; it gets that under the new version.
        obj = event.previous.copy()
        obj["metadata"]["resourceVersion"] = str(event.rv)
        return "DELETED", Entry(event.entry.key, obj, orjson.dumps(obj), event.rv), None


class Frames:
    """Encodes events as lines of JSON, once per form for all watchers."""

    def __init__(self, resource: Resource, form: Form, include: str) -> None:
        self.resource = resource
        self.form = form
        self.include = include
        self._first = True

    def line(self, type_: str, entry: Entry, event: Event | None) -> bytes:
        """Return one line of the stream."""
        if self.form is Form.TABLE:
            return self._table_line(type_, entry)
        if self.form is Form.PARTIAL:
            return encode({"type": type_, "object": partial_of(entry)}) + b"\n"
        key = (type_, self.resource.api_version)
        if event is not None and (cached := event.frames.get(key)):
            return cached
        line = b'{"type":"' + type_.encode() + b'","object":' + raw_of(self.resource, entry) + b"}\n"
        if event is not None:
            event.frames[key] = line
        return line

    def _table_line(self, type_: str, entry: Entry) -> bytes:
        table = table_of(self.resource, [entry], self.include)
        table["metadata"] = {"resourceVersion": str(entry.rv)}
        if not self._first:
            table["columnDefinitions"] = []
        self._first = False
        return orjson.dumps({"type": type_, "object": table}) + b"\n"

    def bookmark(self, rv: int, initial_end: bool = False) -> bytes:
        """Return a BOOKMARK line."""
        metadata: Obj = {"resourceVersion": str(rv)}
        if initial_end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj: Obj = {"kind": self.resource.kind, "apiVersion": self.resource.api_version, "metadata": metadata}
        if self.form is Form.TABLE:
            table = {
                "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": str(rv)},
                "columnDefinitions": [], "rows": [{"cells": [], "object": obj}],
            }  # fmt: skip
            return encode({"type": "BOOKMARK", "object": table}) + b"\n"
        if self.form is Form.PARTIAL:
            obj |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        return encode({"type": "BOOKMARK", "object": obj}) + b"\n"


def error_line(error: ApiError) -> bytes:
    """Return an ERROR line."""
    return encode({"type": "ERROR", "object": error.status()}) + b"\n"


async def watch(ctx: Context, call: Call, request: web.BaseRequest) -> web.StreamResponse:
    """Stream changes until the client leaves, the time is up or the server stops."""
    listoptions.check(call.query, watching=True)
    frames = Frames(call.resource, form_of(call.headers.get("Accept", "")), call.query.get("includeObject", ""))
    watcher = Watcher(call.info.namespace or None, call.info.name, selection_of(call))
    table = ctx.table(call.resource)
    bookmarks = call.flag("allowWatchBookmarks")
    first, failed = _initial(ctx, call, table, watcher, frames)
    # Listening starts before the first await, so that no change falls between the state and the stream.
    table.listeners.add(watcher)
    response = web.StreamResponse(headers=headers_of(call.warnings))
    response.enable_chunked_encoding()
    ctx.wakes.add(watcher.wake)
    try:
        await response.prepare(request)
        if first:
            await response.write(first)
        if not failed:
            await _stream(ctx, response, watcher, frames, _timeout(call), bookmarks)
    except ConnectionError:
        pass
    finally:
        ctx.wakes.discard(watcher.wake)
        table.listeners.discard(watcher)
    return response


def _timeout(call: Call) -> float:
    text = call.query.get("timeoutSeconds", "")
    if text.isdigit() and int(text) > 0:
        return float(text)
    return random.uniform(1800.0, 3600.0)


def _initial(ctx: Context, call: Call, table: Table, watcher: Watcher, frames: Frames) -> tuple[bytes, bool]:
    """Return the first lines (and whether they end the stream): the state, or what changed since a version."""
    since = _since(call)
    send_initial = _send_initial(call)
    now = ctx.store.rv
    if since and since > now:
        # Not reached yet: the client hears of what comes after it.
        watcher.after = since
    if send_initial or (send_initial is None and not since):
        lines = [
            frames.line("ADDED", entry, None)
            for entry in table.select(watcher.namespace)
            if (not watcher.name or entry.key[1] == watcher.name)
            and (watcher.match is None or watcher.match(entry.obj))
        ]
        if send_initial:
            lines.append(frames.bookmark(now, initial_end=True))
        return b"".join(lines), False
    if since and since < table.floor:
        return error_line(expired(f"too old resource version: {since} ({table.floor + 1})")), True
    for event in table.since(since or now):
        watcher.offer(event)
    return b"", False


def _since(call: Call) -> int | None:
    text = call.query.get("resourceVersion", "")
    if text and not text.isdigit():
        sentence = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError(500, "", sentence)
    return int(text) if text else None


def _send_initial(call: Call) -> bool | None:
    return call.flag("sendInitialEvents") if "sendInitialEvents" in call.query else None


async def _stream(
    ctx: Context, response: web.StreamResponse, watcher: Watcher, frames: Frames, seconds: float, bookmarks: bool
) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    next_bookmark = loop.time() + _BOOKMARK_SECONDS
    while not ctx.stopping:
        if watcher.queue:
            lines = [frames.line(*item) for item in watcher.queue]
            watcher.queue.clear()
            await response.write(b"".join(lines))
            continue
        now = loop.time()
        if now >= end or watcher.overrun:
            return
        if bookmarks and now >= next_bookmark:
            next_bookmark = now + _BOOKMARK_SECONDS
            await response.write(frames.bookmark(ctx.store.rv))
            continue
        watcher.wake.clear()
        await _wait(watcher.wake, min(end, next_bookmark if bookmarks else end) - now)


async def _wait(event: asyncio.Event, seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return None
