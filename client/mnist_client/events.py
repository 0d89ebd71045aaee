"""What happened to a training, as Kubernetes events tell it.

Of the training itself every event is told. Of its RayCluster, RayJob and pods only warnings are, and only those that do
not pass by themselves: on a real cluster each Ray pod fails its readiness probe for the first 15 s, and its liveness
probe once more while it ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mnist_client.watching import changes
from mnist_kube.client import KubeApi
from mnist_kube.objects import Object
from mnist_kube.resources import EVENTS
from mnist_kube.times import parse, parse_time

_PROBES_PATIENCE_S = 120.0
_PROBES = ("Unhealthy", "ProbeWarning")
_MOST_PROBES_APART_S = 30.0
# Of the node's name servers, with every pod; told by status.lostWorkers, in better words.
_NEVER = ("DNSConfigForming", "WorkerLost")


@dataclass(frozen=True)
class TrainingEvent:
    """Something that happened to a training, or to an object of it."""

    about: str
    """Name of the training, or of its RayCluster, RayJob or pod."""
    reason: str
    message: str
    warning: bool
    time: datetime | None
    """When it was last seen."""
    count: int = 1

    def __str__(self) -> str:
        return f"{self.about}: {self.reason}: {self.message}"


async def listed(api: KubeApi, namespace: str, names: Collection[str]) -> list[TrainingEvent]:
    """Return the events of these trainings and of what is theirs, oldest first."""
    found = (await api.list(EVENTS.path(namespace))).get("items") or []
    told = [_read(event) for event in found if _matters(event, names)]
    return sorted(told, key=lambda event: event.time.timestamp() if event.time else 0.0)


async def followed(api: KubeApi, namespace: str, names: Collection[str]) -> AsyncGenerator[TrainingEvent, None]:
    """Yield the events of these trainings and of what is theirs, those that were and those that come, without end."""
    told: set[tuple[str, str, str]] = set()
    async with contextlib.aclosing(changes(api, EVENTS, namespace)) as seen:
        async for kind, event in seen:
            if kind == "DELETED" or not _matters(event, names):
                continue
            read = _read(event)
            key = (read.about, read.reason, read.message)
            if key not in told:
                told.add(key)
                yield read


def _matters(event: Object, names: Collection[str]) -> bool:
    about = event.get("regarding") or {}
    name, warning = str(about.get("name") or ""), event.get("type") == "Warning"
    own = about.get("kind") == "MnistTraining" and name in names
    child = warning and any(name.startswith(f"{training}-") for training in names)
    return (own or child) and not passes_by_itself(event)


def _read(event: Object) -> TrainingEvent:
    reason = str(event.get("reason") or "")
    count, _, last = _seen(event)
    return TrainingEvent(
        about=str((event.get("regarding") or {}).get("name") or ""),
        reason=reason,
        message=" ".join(str(event.get("note") or reason).split()),
        warning=event.get("type") == "Warning",
        time=parse_time(last),
        count=count,
    )


def passes_by_itself(event: Mapping[str, Any]) -> bool:
    """Whether an event (`events.k8s.io/v1`) needs nobody yet.

    A failing probe does once it has failed for two minutes, time after time: an event that is counted
    twice, at a pod's start and at its end, is no such thing.
    """
    reason = event.get("reason")
    if reason in _NEVER:
        return True
    if reason not in _PROBES:
        return False
    count, first, last = _seen(event)
    seconds = (parse(last) - parse(first)).total_seconds() if first and last else 0.0
    return seconds < _PROBES_PATIENCE_S or seconds > count * _MOST_PROBES_APART_S


def _seen(event: Mapping[str, Any]) -> tuple[int, str | None, str | None]:
    """How often an event was seen, and when first and last."""
    series = event.get("series") or {}
    count = series.get("count") or event.get("deprecatedCount") or 1
    first = event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    return count, first, series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or first
