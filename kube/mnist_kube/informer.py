"""A local copy of a collection, kept by list and watch, as client-go's informers do.

`changes` is the heart: it lists, tells what differs from what was known, then watches from that version on. When the
watch ends, it goes on from the last version; when that is too old, or the connection is lost, it lists again, for the
server may have been started anew with other contents. `run` feeds a callback from it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Key, Object, key_of, resource_version
from mnist_kube.pacing import Backoff
from mnist_kube.resources import Resource

logger = logging.getLogger(__name__)

Change = tuple[str, Object]
"""ADDED, MODIFIED or DELETED, and the object."""


class Informer:
    """Objects of one resource in one namespace (None: all), by namespace and name.

    Args:
        api: the API server.
        resource: what is watched.
        namespace: where; None for all namespaces.
        query: selectors.
        idle_timeout: seconds without a word, even a bookmark, after which the connection counts as dead.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        namespace: str | None,
        query: Mapping[str, str] | None = None,
        idle_timeout: float = 330.0,
    ) -> None:
        self._api = api
        self._resource = resource
        self._path = resource.path(namespace)
        self._query = dict(query or {})
        self._idle_timeout = idle_timeout
        self._objects: dict[Key, Object] = {}
        self._on_change: list[Callable[[Object, bool], None]] = []
        self._on_problem: Callable[[ApiError | None], None] = lambda error: None
        self.synced = asyncio.Event()
        """Set once the collection was listed, and all that is in it was told of."""

    def get(self, key: Key) -> Object | None:
        """Return the object as last seen, or None."""
        return self._objects.get(key)

    def values(self) -> list[Object]:
        """Return all objects as last seen."""
        return list(self._objects.values())

    def on_change(self, call: Callable[[Object, bool], None]) -> None:
        """Have `run` and `observe` call `call(object, deleted)` in the event loop for each change."""
        self._on_change.append(call)

    def on_problem(self, call: Callable[[ApiError | None], None]) -> None:
        """Have `call(error)` called when the server refuses or is lost, and `call(None)` when it answers again."""
        self._on_problem = call

    def observe(self, obj: Object) -> None:
        """Take in the answer to one's own write, so that the next look does not miss it."""
        obj.setdefault("apiVersion", self._resource.api_version)
        obj.setdefault("kind", self._resource.kind)
        self._tell(self._stored(obj))

    async def run(self) -> None:
        """Follow changes until cancelled, through refusals, lost connections and restarts of the server."""
        async with contextlib.aclosing(self.changes()) as changes:
            async for change in changes:
                self._tell([change])

    async def changes(self, *, give_up: bool = False) -> AsyncGenerator[Change, None]:
        """Yield all objects, then every change of them, also one that happened while the watch was down.

        With `give_up` it raises ApiError where asking again would not help: forbidden, or a kind that is not served.
        """
        delays = Backoff(0.1, 1.0)
        version: str | None = None
        while True:
            try:
                if version is None:
                    answer = await self._api.list(self._path, self._query, tries=1)
                    for change in self._listed(answer.get("items") or []):
                        yield change
                    version = str(answer["metadata"]["resourceVersion"])
                    self.synced.set()
                    self._on_problem(None)
                delays.reset()
                query = {**self._query, "resourceVersion": version}
                async with contextlib.aclosing(self._api.watch(self._path, query, self._idle_timeout)) as events:
                    async for kind, obj in events:
                        version = obj["metadata"]["resourceVersion"]
                        for change in self._watched(kind, obj):
                            yield change
            except ApiError as error:
                if error.status != 410:  # a version that is too old is no problem: everything is listed again
                    self._on_problem(error)
                if give_up and not (error.may_pass or error.status in {409, 410}):
                    raise
                delay = 0.0 if error.status == 410 else delays.next()
                logger.debug("%s: %s; listing again in %.1f s", self._path, error, delay)
                version = None
                await asyncio.sleep(delay)

    def _listed(self, items: list[Object]) -> Iterator[Change]:
        before, self._objects = self._objects, {key_of(item): item for item in items}
        for key, obj in before.items():
            now = self._objects.get(key)
            if now is None or now["metadata"]["uid"] != obj["metadata"]["uid"]:
                yield "DELETED", obj
        for key, obj in list(self._objects.items()):
            known = before.get(key)
            if known is None or known["metadata"]["uid"] != obj["metadata"]["uid"]:
                yield "ADDED", obj
            elif known["metadata"] != obj["metadata"]:
                yield "MODIFIED", obj

    def _watched(self, kind: str, obj: Object) -> list[Change]:
        if kind == "BOOKMARK":
            return []
        if kind == "DELETED":
            self._objects.pop(key_of(obj), None)
            return [(kind, obj)]
        return self._stored(obj)

    def _stored(self, obj: Object) -> list[Change]:
        """Store the object unless a newer one is already there; returns what is new."""
        key = key_of(obj)
        held = self._objects.get(key)
        same = held is not None and held["metadata"]["uid"] == obj["metadata"]["uid"]
        if held is not None and same and resource_version(held) >= resource_version(obj):
            return []
        self._objects[key] = obj
        if held is None or same:
            return [("ADDED" if held is None else "MODIFIED", obj)]
        return [("DELETED", held), ("ADDED", obj)]

    def _tell(self, changes: list[Change]) -> None:
        for kind, obj in changes:
            for call in self._on_change:
                call(obj, kind == "DELETED")
