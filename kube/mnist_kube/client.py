"""Requests to the Kubernetes API: verbs on paths, plain objects in and out, errors that say what the server said.

A path comes from `mnist_kube.resources`. Each request waits for its turn (throttle), is checked for the right to write
(guard), is sent, and is told to an observer; what is refused or does not come back is an ApiError.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from mnist_kube.connection import Connection
from mnist_kube.errors import ApiError, parsed
from mnist_kube.objects import Object
from mnist_kube.pacing import Throttle
from mnist_kube.transport import FAILURES, Answer, Renew, Transport

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PAGE = 500
"""Objects in one answer to a list, as kubectl has it."""
_WITH_FIELDS = frozenset({"POST", "PUT", "PATCH"})
_TRY_AGAIN_S = 0.5
_WATCH_S = 300
_WATCH_IDLE_S = 330.0  # the server ends a watch after _WATCH_S, so longer silence is a dead connection

Query = Mapping[str, str]
Observer = Callable[[str, int, float], None]
"""Is told the verb, the status code (0: not reached) and the seconds of each request."""


class KubeApi:
    """One API server. Make it inside a running event loop, and close it, or use it as a context manager.

    Args:
        connection: the server, and who we are there.
        user_agent: what the server's log calls us.
        observe: is told of each request.
        timeout: seconds that a request may take.
        limit: connections at most, 0 for no limit.
        renew: gives a connection with fresh credentials when the present ones are refused.
        field_validation: what the server does about fields of a body that it does not know: Strict refuses them, Warn
            and Ignore drop them. Empty leaves it to the server (Warn). All but Ignore cost it a second decoding.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str = "mnist-kube",
        observe: Observer | None = None,
        timeout: float = 30.0,
        limit: int = 0,
        renew: Renew | None = None,
        field_validation: str = "",
    ) -> None:
        self._transport = Transport(connection, user_agent, limit, renew)
        self._field_validation = field_validation
        self._observe = observe
        self._timeout = timeout
        self._may_write: Callable[[], bool] = lambda: True
        self._throttle: Throttle | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def connection(self) -> Connection:
        """The present connection."""
        return self._transport.connection

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def reconnect(self, connection: Connection) -> None:
        """Go on with another connection: the server was started anew, with other keys. Watches end."""
        await self._transport.reconnect(connection)

    def guarded(self, may_write: Callable[[], bool], throttle: Throttle | None = None) -> Self:
        """Return the same connections with a check before each write, and with a limit on requests."""
        view = copy.copy(self)
        view._may_write, view._throttle = may_write, throttle
        return view

    def with_timeout(self, seconds: float) -> Self:
        """Return the same connections with another limit on how long a request may take."""
        view = copy.copy(self)
        view._timeout = seconds
        return view

    # --- verbs -------------------------------------------------------------------------------------------------------

    async def get(self, path: str, query: Query | None = None) -> Object:
        """GET an object, or whatever is at a path."""
        return await self.request("GET", path, query=query)

    async def find(self, path: str) -> Object | None:
        """GET an object, or None where it is missing."""
        try:
            return await self.get(path)
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def list(self, path: str, query: Query | None = None, *, tries: int = 3) -> Object:
        """GET a whole collection, page by page; items have the apiVersion and kind that lists leave out.

        A page that is lost is asked for again alone, up to `tries` times, so that it does not cost those before it.
        The metadata are those of the last page: its resourceVersion is the collection's.
        """
        items: list[Object] = []
        last: Object = {}
        try:
            async for page in self.pages(path, query, tries=tries):
                items += page["items"]
                last = page
        except ApiError as error:
            if error.status != 410 or not items:
                raise
            # The pages took too long to read. All at once is one answer, and of one version.
            return _completed(await self._page(path, query or {}, tries))
        return {**last, "items": items}

    async def pages(self, path: str, query: Query | None = None, *, tries: int = 3) -> AsyncGenerator[Object, None]:
        """Yield the pages of a collection, for whoever keeps less of the objects than there is; else as `list`.

        Raises ApiError 410 between two pages that were asked for too long after each other.
        """
        asked = {"limit": str(PAGE), **(query or {})}
        while True:
            page = await self._page(path, asked, tries)
            yield _completed({**page, "items": page.get("items") or []})
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            asked = {**asked, "continue": token}

    async def create(self, path: str, body: Object, *, strict: bool = False) -> Object:
        """POST to a collection; strict refuses fields that the server does not know instead of dropping them."""
        return await self.request("POST", path, body, query={"fieldValidation": "Strict"} if strict else None)

    async def patch(
        self, path: str, body: Object | Sequence[Object], content_type: str = MERGE_PATCH, query: Query | None = None
    ) -> Object:
        """PATCH an object or a subresource."""
        return await self.request("PATCH", path, body, query=query, content_type=content_type)

    async def replace(self, path: str, body: Object) -> Object:
        """PUT an object over the version that `body` names."""
        return await self.request("PUT", path, body)

    async def delete(
        self,
        path: str,
        uid: str,
        propagation: str | None = "Background",
        grace_seconds: int | None = None,
        *,
        missing_ok: bool = False,
    ) -> Object:
        """DELETE the object of that uid and no other of the same name. `missing_ok`: fine when it is gone already."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        try:
            return await self.request("DELETE", path, options)
        except ApiError as error:
            if missing_ok and (error.not_found or error.conflict):
                return {}
            raise

    async def watch(
        self, path: str, query: Query | None = None, idle_timeout: float = _WATCH_IDLE_S
    ) -> AsyncGenerator[tuple[str, Object], None]:
        """Yield (ADDED, MODIFIED, DELETED or BOOKMARK, object) as the server sends them, until it ends the stream.

        Raises ApiError: 410 for a version that is too old, 0 when nothing, not even a bookmark, comes for so long.
        """
        asked = {"timeoutSeconds": str(_WATCH_S), **(query or {}), "watch": "true", "allowWatchBookmarks": "true"}
        rest = b""
        async with contextlib.aclosing(self.stream(path, asked, idle_timeout)) as chunks:
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield _event(path, line)

    async def stream(
        self,
        path: str,
        query: Query | None = None,
        idle_timeout: float | None = None,
        opened: Callable[[], None] = lambda: None,
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answer to a GET as it comes, such as a pod's log, until the server ends it.

        `opened` is called once the server has begun to answer.
        """
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            headers = {"Accept": "application/json, */*"}
            async with contextlib.aclosing(self._transport.stream(target, headers, idle_timeout, opened)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except FAILURES as error:
            raise ApiError.unreachable(f"GET {path}", error) from error

    # --- any request -------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Query | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Object:
        """Send one request and return the object that comes back. Raises ApiError."""
        if self._field_validation and method in _WITH_FIELDS:
            query = {"fieldValidation": self._field_validation, **(query or {})}
        target = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        answer = await self.send(method, target, body, headers)
        if answer.status >= 400:
            raise ApiError.of_answer(answer.status, answer.headers, answer.body)
        return _decoded(answer.body)

    async def send(self, method: str, target: str, body: Any, headers: Mapping[str, str]) -> Answer:
        """Send one request and return the answer as it came, refusals included.

        `body` is sent as it is if it is bytes, else as JSON. Raises ApiError only where there is no answer, or the
        request may not be sent.
        """
        if self._throttle is not None:
            await self._throttle.wait()
        what = f"{method} {target.partition('?')[0]}"
        if method != "GET" and not self._may_write():
            raise ApiError(0, "NotActive", f"{what}: this process is not the active one any more")
        data = body if body is None or isinstance(body, bytes) else _encoded(body)
        started = time.perf_counter()
        try:
            answer = await self._transport.send(method, target, data, headers, self._timeout)
        except FAILURES as error:
            self._count(method, 0, started)
            raise ApiError.unreachable(what, error) from error
        self._count(method, answer.status, started)
        if self._throttle is not None and answer.status in {429, 503}:
            self._throttle.pause(ApiError.of_answer(answer.status, answer.headers, b"").retry_after or 0.0)
        return answer

    def _count(self, method: str, status: int, started: float) -> None:
        if self._observe is not None:
            self._observe(method, status, time.perf_counter() - started)

    async def _page(self, path: str, query: Query, tries: int) -> Object:
        failed = 0
        while True:
            try:
                return await self.get(path, query)
            except ApiError as error:
                failed += 1
                if failed >= tries or not error.may_pass:
                    raise
            await asyncio.sleep(_TRY_AGAIN_S)


def _encoded(body: Any) -> bytes:
    """Return an object as JSON; what only a person writes, such as `1: a` or a seed of 30 digits, the slower way."""
    try:
        return orjson.dumps(body)
    except TypeError:
        return json.dumps(body).encode()


def _decoded(raw: bytes) -> Object:
    """Return an answer's JSON object, by a faster decoder than the one for refusals, which may be no JSON at all."""
    try:
        answer = orjson.loads(raw)
    except ValueError:
        return parsed(raw)
    return answer if isinstance(answer, dict) else parsed(raw)


def _completed(answer: Object) -> Object:
    kind = str(answer.get("kind") or "").removesuffix("List")
    if kind:
        for item in answer["items"]:
            item.setdefault("apiVersion", answer["apiVersion"])
            item.setdefault("kind", kind)
    return answer


def _event(path: str, line: bytes) -> tuple[str, Object]:
    try:
        event = orjson.loads(line)
        kind, obj = event["type"], event["object"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError.unreachable(f"GET {path}", error) from error
    if kind == "ERROR":
        raise ApiError.of_status(obj)
    return kind, obj
