"""Which of a cluster's events a person who follows a training has to know.

The training's own events all are told. Of its RayCluster, RayJob and pods only warnings are, and only those that do
not pass by themselves: on a real cluster each Ray pod fails its readiness probe for the first 15 s, and its liveness
probe once more while it ends.
"""

from __future__ import annotations

from typing import Any

from mnist_cli.trainings.follow import changes
from mnist_cli.trainings.objects import one_line
from mnist_kube.client import KubeApi
from mnist_kube.resources import EVENTS
from mnist_kube.times import parse

PROBES_PATIENCE_S = 120.0
_PROBES = ("Unhealthy", "ProbeWarning")
_MOST_PROBES_APART_S = 30.0
# Of the node's name servers, with every pod; told by status.lostWorkers, in better words.
_NEVER = ("DNSConfigForming", "WorkerLost")


async def tell_events(api: KubeApi, namespace: str, names: list[str], tell: Any) -> None:
    """Call `tell` (text, whether it is a warning) for events of these trainings and what is theirs, without end."""
    told: set[tuple[str, str, str]] = set()
    async for kind, event in changes(api, EVENTS, namespace):
        about = event.get("regarding") or {}
        name, reason, warning = str(about.get("name") or ""), event.get("reason"), event.get("type") == "Warning"
        own = about.get("kind") == "MnistTraining" and name in names
        child = warning and any(name.startswith(f"{training}-") for training in names)
        text = one_line(str(event.get("note") or reason or ""))
        key = (name, str(reason), text)
        if kind == "DELETED" or not (own or child) or key in told or passes_by_itself(event):
            continue
        told.add(key)
        tell(f"{name}: {reason}: {text}", warning)


def passes_by_itself(event: dict[str, Any]) -> bool:
    """Whether an event (`events.k8s.io/v1`) needs nobody yet.

    A failing probe does once it has failed for `PROBES_PATIENCE_S` seconds, time after time: an event that is counted
    twice, at a pod's start and at its end, is no such thing.
    """
    reason = event.get("reason")
    if reason in _NEVER:
        return True
    if reason not in _PROBES:
        return False
    count, seconds = _seen(event)
    return seconds < PROBES_PATIENCE_S or seconds > count * _MOST_PROBES_APART_S


def _seen(event: dict[str, Any]) -> tuple[int, float]:
    """How often an event was seen, and the seconds from the first to the last time."""
    series = event.get("series") or {}
    count = series.get("count") or event.get("deprecatedCount") or 1
    first = event.get("deprecatedFirstTimestamp") or event.get("eventTime")
    last = series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or first
    if not first or not last:
        return count, 0.0
    return count, (parse(last) - parse(first)).total_seconds()
