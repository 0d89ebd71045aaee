"""A local copy of a collection, kept by list and watch, as client-go's informers do."""

import asyncio
import logging
from collections.abc import Callable, Iterable

import aiohttp

from mnist_local.kuberay.json_types import Json, Key, key_of
from mnist_local.kuberay.kubeapi import ApiError, KubeApi, Resource

_WATCH_TIMEOUT_S = 300
_IDLE_TIMEOUT_S = 330.0  # the server ends a watch after _WATCH_TIMEOUT_S, so longer silence is a dead connection
_FIRST_RETRY_S = 0.1
_LAST_RETRY_S = 1.0

log = logging.getLogger(__name__)


def _version(obj: Json) -> int:
    """Resource versions are opaque to clients, but comparable as integers since Kubernetes 1.35 (KEP-5504)."""
    value = obj["metadata"].get("resourceVersion", "0")
    return int(value) if value.isdigit() else 0


class Informer:
    """Objects of one resource in one namespace (None: all), by (namespace, name).

    `on_change(obj, deleted)` is called in the event loop for each object that appears, changes or goes, also when
    that happened while the watch was down.
    """

    def __init__(
        self,
        api: KubeApi,
        resource: Resource,
        namespace: str | None,
        on_change: Callable[[Json, bool], None],
        selector: str | None = None,
    ) -> None:
        """`selector` is a label selector."""
        self._api = api
        self._resource = resource
        self._namespace = namespace
        self._on_change = on_change
        self._params = {"labelSelector": selector} if selector else {}
        self._objects: dict[Key, Json] = {}
        self.synced = asyncio.Event()

    def get(self, key: Key) -> Json | None:
        """The object as last seen, or None."""
        return self._objects.get(key)

    def values(self) -> Iterable[Json]:
        """All objects as last seen."""
        return list(self._objects.values())

    def observe(self, obj: Json) -> None:
        """Take in the answer to one's own write, so that the next look does not miss it."""
        obj.setdefault("apiVersion", self._resource.api_version)
        obj.setdefault("kind", self._resource.kind)
        if self._replace(obj):
            self._on_change(obj, False)

    async def run(self) -> None:
        """List and watch until cancelled; survives lost connections, server restarts and expired versions."""
        retry = _FIRST_RETRY_S
        version: str | None = None
        while True:
            try:
                if version is None:
                    version = await self._relist()
                retry = _FIRST_RETRY_S
                version = await self._watch(version)
            except ApiError as error:
                log.debug("%s: %s; listing again", self._resource.plural, error)
                version = None
                await asyncio.sleep(0 if error.status == 410 else retry)
                retry = min(retry * 2, _LAST_RETRY_S)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                # The server may have restarted with other contents, so what we hold is compared with a new list.
                log.debug("%s: %r; listing again in %.1f s", self._resource.plural, error, retry)
                version = None
                await asyncio.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY_S)

    async def _relist(self) -> str:
        answer = await self._api.list(self._resource, self._namespace, self._params)
        seen = {key_of(item): item for item in answer.get("items") or []}
        gone = [obj for key, obj in self._objects.items() if key not in seen]
        before, self._objects = self._objects, seen
        for obj in gone:
            self._on_change(obj, True)
        for key, obj in seen.items():
            if key not in before or before[key]["metadata"] != obj["metadata"]:
                if key in before and before[key]["metadata"]["uid"] != obj["metadata"]["uid"]:
                    self._on_change(before[key], True)
                self._on_change(obj, False)
        self.synced.set()
        return str(answer["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        params = {**self._params, "resourceVersion": version, "timeoutSeconds": str(_WATCH_TIMEOUT_S)}
        async for event in self._api.watch(self._resource, self._namespace, params, _IDLE_TIMEOUT_S):
            obj: Json = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(int(obj.get("code", 500)), obj)
            version = obj["metadata"]["resourceVersion"]
            if event["type"] == "BOOKMARK":
                continue
            if event["type"] == "DELETED":
                self._objects.pop(key_of(obj), None)
                self._on_change(obj, True)
            elif self._replace(obj):
                self._on_change(obj, False)
        return version

    def _replace(self, obj: Json) -> bool:
        """Store the object unless a newer one is already there; False when nothing is new."""
        key = key_of(obj)
        held = self._objects.get(key)
        if held is not None and held["metadata"]["uid"] == obj["metadata"]["uid"] and _version(held) >= _version(obj):
            return False
        if held is not None and held["metadata"]["uid"] != obj["metadata"]["uid"]:
            self._on_change(held, True)
        self._objects[key] = obj
        return True
