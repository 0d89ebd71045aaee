"""CPUs and GPUs that trainings hold, and for how long: what they cost.

A pod holds what it requests from the moment it runs until it is gone, used or not, as whoever pays for nodes sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mnist_kube.objects import Key
from mnist_kube.times import parse_time
from mnist_operator.children.pods import REQUESTED
from mnist_operator.children.training import LABEL_TRAINING

Object = Mapping[str, Any]


@dataclass
class Share:
    """CPUs and GPUs: held now, or integrated over seconds."""

    cpu: float = 0.0
    gpu: float = 0.0

    def add(self, other: Share, times: float = 1.0) -> None:
        """Add `other`, `times` times."""
        self.cpu += other.cpu * times
        self.gpu += other.gpu * times


def held(cluster: Object) -> Share:
    """Return what the pods of a cached RayCluster that run now have requested."""
    status, requested = cluster.get("status") or {}, (cluster.get("spec") or {}).get(REQUESTED) or {}
    workers = int(status.get("availableWorkerReplicas") or 0)
    share = Share()
    if workers or (status.get("head") or {}).get("podIP"):
        share.add(Share(*requested.get("head", ())))
    share.add(Share(*requested.get("worker", ())), workers)
    return share


@dataclass
class Meter:
    """Integrates what is held over time, whenever it is read.

    It begins with the process, as Prometheus expects of a counter. A cluster that goes between two readings is
    counted up to the last one.
    """

    since: datetime
    by_training: dict[Key, Share] = field(default_factory=dict)
    """CPU- and GPU-seconds."""
    by_namespace: dict[str, Share] = field(default_factory=dict)
    """CPU- and GPU-seconds, those of trainings that are gone included."""

    def read(self, clusters: Iterable[Object], now: datetime) -> dict[Key, Share]:
        """Integrate up to `now`. Return what each training holds now."""
        holding: dict[Key, Share] = {}
        for cluster in clusters:
            metadata = cluster["metadata"]
            training = (metadata.get("labels") or {}).get(LABEL_TRAINING)
            share = held(cluster)
            if training is None or not (share.cpu or share.gpu):
                continue
            key = (metadata["namespace"], training)
            created = parse_time(metadata.get("creationTimestamp"))
            seconds = (now - max(self.since, created or self.since)).total_seconds()
            holding.setdefault(key, Share()).add(share)
            self.by_training.setdefault(key, Share()).add(share, max(0.0, seconds))
            self.by_namespace.setdefault(key[0], Share()).add(share, max(0.0, seconds))
        self.since = max(self.since, now)
        return holding

    def keep(self, known: Iterable[Key]) -> None:
        """Forget trainings that are no longer known."""
        for key in self.by_training.keys() - set(known):
            del self.by_training[key]
