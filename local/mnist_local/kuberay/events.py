"""Events on objects: repeated ones are counted, not repeated."""

import logging
import random
from dataclasses import dataclass

import aiohttp

from mnist_local.kuberay import clock
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import EVENTS, ApiError, KubeApi

_MAX_NOTE = 1024
_REMEMBERED = 2000

log = logging.getLogger(__name__)


@dataclass
class _Seen:
    name: str
    count: int


class EventRecorder:
    """Writes events in the name of one component; an event that cannot be written is dropped, as in Kubernetes."""

    def __init__(self, api: KubeApi, component: str) -> None:
        """`component` is the reporting controller, such as `raycluster-controller` or `kubelet`."""
        self._api = api
        self._component = component
        self._seen: dict[tuple[str, str, str], _Seen] = {}

    async def record(self, obj: Json, kind: str, reason: str, note: str, action: str = "") -> None:
        """`kind` is Normal or Warning; `note` is cut to what the API takes."""
        note = note[:_MAX_NOTE]
        metadata = obj["metadata"]
        key = (metadata["uid"], reason, note)
        now = clock.timestamp()
        try:
            if seen := self._seen.get(key):
                seen.count += 1
                patch = {"count": seen.count, "lastTimestamp": now}
                await self._api.merge_patch(EVENTS, metadata["namespace"], seen.name, patch)
                return
            name = f"{metadata['name']}.{random.getrandbits(64):016x}"
            await self._api.create(EVENTS, self._event(obj, name, kind, reason, note, action, now))
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key] = _Seen(name, 1)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            self._seen.pop(key, None)
            log.debug("event %s on %s was dropped: %r", reason, metadata["name"], error)

    def _event(self, obj: Json, name: str, kind: str, reason: str, note: str, action: str, now: str) -> Json:
        metadata = obj["metadata"]
        event: Json = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
            "type": kind,
            "reason": reason,
            "message": note,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": "local",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        if action:
            event["action"] = action
        return event
