"""Events on objects: repeated ones are counted, not repeated."""

import logging
import random

import aiohttp

from mnist_local.kuberay import clock
from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import EVENTS, ApiError, KubeApi

_MAX_NOTE = 1024
_REMEMBERED = 2000

log = logging.getLogger(__name__)


class EventRecorder:
    """Writes events in the name of one component; an event that cannot be written is dropped, as in Kubernetes.

    KubeRay writes events of events.k8s.io (one time, an action, repeats as a series), the components of node and Job
    v1 events (first and last time, a count). Both kinds are read through both APIs; here both are written through v1.
    """

    def __init__(self, api: KubeApi, component: str, series: bool = False) -> None:
        """`component` is the reporting controller; `series` chooses the newer kind of event."""
        self._api = api
        self._component = component
        self._series = series
        self._seen: dict[tuple[str, str, str], tuple[str, int]] = {}

    async def record(self, obj: Json, kind: str, reason: str, note: str, action: str = "") -> None:
        """`kind` is Normal or Warning; `note` is cut to what the API takes."""
        note = note[:_MAX_NOTE]
        metadata = obj["metadata"]
        key = (metadata["uid"], reason, note)
        name, count = self._seen.get(key, ("", 0))
        try:
            if count:
                patch = self._again(count + 1)
                await self._api.merge_patch(EVENTS, metadata["namespace"], name, patch)
            else:
                name = f"{metadata['name']}.{random.getrandbits(64):016x}"
                event = {**_event(obj, name, kind, reason, note), **self._first(action)}
                await self._api.create(EVENTS, event)
        except (ApiError, aiohttp.ClientError, TimeoutError) as error:
            self._seen.pop(key, None)
            log.debug("event %s on %s was dropped: %r", reason, metadata["name"], error)
            return
        if len(self._seen) >= _REMEMBERED:
            self._seen.clear()
        self._seen[key] = (name, count + 1)

    def _first(self, action: str) -> Json:
        if self._series:
            instance = f"{self._component}-local"
            return {
                "eventTime": clock.micro(clock.now()),
                "action": action or "Reconcile",
                "reportingComponent": self._component,
                "reportingInstance": instance,
            }
        now = clock.timestamp()
        return {
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    def _again(self, count: int) -> Json:
        if self._series:
            return {"series": {"count": count, "lastObservedTime": clock.micro(clock.now())}}
        return {"count": count, "lastTimestamp": clock.timestamp()}


def _event(obj: Json, name: str, kind: str, reason: str, note: str) -> Json:
    metadata = obj["metadata"]
    return {
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
    }
