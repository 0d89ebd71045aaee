"""Events on objects, for people: what `kubectl describe` shows below an object.

An event that cannot be written is logged and not missed: whatever it says stands in the object's status, too.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Mapping
from enum import Enum
from typing import Any

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import CORE_EVENTS, EVENTS
from mnist_kube.times import micro_timestamp, timestamp

logger = logging.getLogger(__name__)
_NOTE_LIMIT = 1024
_REMEMBERED = 2000


class Repeats(Enum):
    """What becomes of an event that says the same as one before it."""

    APART = "apart"
    """It is an event of its own (events.k8s.io)."""
    SERIES = "series"
    """It is counted in the first one's series (events.k8s.io), as KubeRay does."""
    COUNT = "count"
    """It is counted in the first one (v1), as kubelet, scheduler and Job controller do."""


class EventRecorder:
    """Writes events in the name of one component.

    Args:
        api: the API server.
        component: the reporting controller.
        repeats: what becomes of repeated ones.
        instance: which process of the component; default: this host's name.
    """

    def __init__(
        self, api: KubeApi, component: str, repeats: Repeats = Repeats.APART, instance: str | None = None
    ) -> None:
        self._api = api
        self._component = component
        self._repeats = repeats
        self._instance = instance or socket.gethostname()[:128] or component
        self._resource = CORE_EVENTS if repeats is Repeats.COUNT else EVENTS
        self._seen: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def record(
        self, obj: Mapping[str, Any], kind: str, reason: str, note: str, action: str = "Reconcile"
    ) -> None:
        """Write one event about `obj`.

        Args:
            obj: at least its apiVersion, kind, and metadata with name, namespace and uid.
            kind: Normal or Warning.
            reason: one CamelCase word.
            note: a sentence; it is cut to what the API takes.
            action: what was being done.
        """
        note = note[:_NOTE_LIMIT]
        metadata = obj["metadata"]
        key = (metadata["uid"], reason, note)
        name, count = self._seen.get(key, ("", 0))
        path = self._resource.path(metadata["namespace"], name or None)
        try:
            if count:
                await self._api.patch(path, self._counted(count + 1))
            else:
                name = f"{metadata['name']}.{random.getrandbits(64):016x}"
                body = self._core(obj) if self._repeats is Repeats.COUNT else self._modern(obj, action)
                text = "message" if self._repeats is Repeats.COUNT else "note"
                body |= {"metadata": {"name": name, "namespace": metadata["namespace"]}}
                await self._api.create(path, body | {"type": kind, "reason": reason, text: note})
        except ApiError as error:
            self._seen.pop(key, None)
            logger.warning("event %s on %s could not be written: %s", reason, metadata["name"], error)
            return
        if self._repeats is not Repeats.APART:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key] = (name, count + 1)

    def _modern(self, obj: Mapping[str, Any], action: str) -> Object:
        return {
            "apiVersion": EVENTS.api_version,
            "kind": "Event",
            "eventTime": micro_timestamp(),
            "reportingController": self._component,
            "reportingInstance": self._instance,
            "action": action,
            "regarding": _reference(obj),
        }

    def _core(self, obj: Mapping[str, Any]) -> Object:
        now = timestamp()
        return {
            "apiVersion": CORE_EVENTS.api_version,
            "kind": "Event",
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "involvedObject": _reference(obj),
        }

    def _counted(self, count: int) -> Object:
        if self._repeats is Repeats.COUNT:
            return {"count": count, "lastTimestamp": timestamp()}
        return {"series": {"count": count, "lastObservedTime": micro_timestamp()}}


def _reference(obj: Mapping[str, Any]) -> Object:
    metadata = obj["metadata"]
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "uid": metadata["uid"],
        "resourceVersion": str(metadata.get("resourceVersion") or ""),
    }
