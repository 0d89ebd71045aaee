"""Events on objects, for people: what `kubectl describe` shows below an object.

All are core/v1 Events, which every kubectl sorts and prints. `kubectl get events --sort-by=.lastTimestamp` goes by that
time, in whole seconds, and leaves events of one second in the order of the API: that of their names. So an event's name
holds the nanosecond, as client-go has it. One that cannot be written is logged and not missed: whatever it says stands
in the object's status, too.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import CORE_EVENTS
from mnist_kube.times import micro_timestamp, timestamp

logger = logging.getLogger(__name__)
_MESSAGE_LIMIT = 1024
_REMEMBERED = 2000


class Repeats(Enum):
    """What becomes of an event that says the same as one before it."""

    APART = "apart"
    """It is an event of its own, with all the times that there are."""
    SERIES = "series"
    """It is counted in the first one's series, as KubeRay's recorder (events.k8s.io) does."""
    COUNT = "count"
    """It is counted in the first one, as the recorder of kubelet, scheduler and Job controller (core/v1) does."""


class EventRecorder:
    """Writes events in the name of one component.

    Args:
        api: the API server.
        component: the reporting controller.
        repeats: what becomes of repeated ones.
        source: the component in short, where people look for it; default: `component`.
        instance: which process of the component; default: this host's name.
    """

    def __init__(
        self,
        api: KubeApi,
        component: str,
        repeats: Repeats = Repeats.APART,
        source: str | None = None,
        instance: str | None = None,
    ) -> None:
        self._api = api
        self._component = component
        self._repeats = repeats
        self._source = source or component
        self._instance = instance or socket.gethostname()[:128] or component
        self._last = 0
        self._seen: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def record(
        self, obj: Mapping[str, Any], kind: str, reason: str, message: str, action: str = "Reconcile"
    ) -> None:
        """Write one event about `obj`.

        Args:
            obj: at least its apiVersion, kind, and metadata with name, namespace and uid.
            kind: Normal or Warning.
            reason: one CamelCase word.
            message: a sentence; it is cut to what the API takes.
            action: what was being done.
        """
        message = message[:_MESSAGE_LIMIT]
        metadata = obj["metadata"]
        key = (metadata["uid"], reason, message)
        name, count = self._seen.get(key, ("", 0))
        try:
            if count:
                path = CORE_EVENTS.path(metadata["namespace"], name)
                await self._api.patch(path, self._counted(count + 1))
            else:
                event = self._event(obj, action) | {"type": kind, "reason": reason, "message": message}
                name = event["metadata"]["name"]
                await self._api.create(CORE_EVENTS.path(metadata["namespace"]), event)
        except ApiError as error:
            self._seen.pop(key, None)
            logger.warning("event %s on %s could not be written: %s", reason, metadata["name"], error)
            return
        if self._repeats is not Repeats.APART:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key] = (name, count + 1)

    def _event(self, obj: Mapping[str, Any], action: str) -> Object:
        self._last = nanoseconds = max(time.time_ns(), self._last + 1)
        now = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
        metadata = obj["metadata"]
        event: Object = {
            "apiVersion": CORE_EVENTS.api_version,
            "kind": CORE_EVENTS.kind,
            "metadata": {"name": f"{metadata['name']}.{nanoseconds:016x}", "namespace": metadata["namespace"]},
            "reportingComponent": self._component,
            "involvedObject": {
                "apiVersion": obj["apiVersion"],
                "kind": obj["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": str(metadata.get("resourceVersion") or ""),
            },
        }
        if self._repeats is not Repeats.COUNT:
            event |= {"eventTime": micro_timestamp(now), "action": action, "reportingInstance": self._instance}
        if self._repeats is not Repeats.SERIES:
            seen = timestamp(now)
            event |= {"firstTimestamp": seen, "lastTimestamp": seen, "count": 1, "source": {"component": self._source}}
        if self._repeats is Repeats.APART:
            event["source"]["host"] = self._instance
        return event

    def _counted(self, count: int) -> Object:
        if self._repeats is Repeats.COUNT:
            return {"count": count, "lastTimestamp": timestamp()}
        return {"series": {"count": count, "lastObservedTime": micro_timestamp()}}
