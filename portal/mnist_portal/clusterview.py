"""What the page of clusters shows of RayClusters, of what runs on them, and of queues. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mnist_client.state import FINAL, phase_of
from mnist_kube.objects import Object, is_terminating, key_of, labels_of
from mnist_kube.quantity import format_bytes, parse_quantity

_QUEUE = "kueue.x-k8s.io/queue-name"
_KIND = "MnistTraining"
_WAITS = "WaitingForQuota"
"""What the operator says of a training that Kueue holds back."""


@dataclass(frozen=True)
class ClusterView:
    """One RayCluster."""

    namespace: str
    name: str
    state: str
    reason: str
    head: str
    workers: str
    least: int
    most: int
    cpus: str
    memory: str
    gpus: str
    autoscales: bool
    queue: str
    owner: str
    runs: list[str]
    created: str
    service: str
    is_suspended: bool
    is_going: bool
    uid: str

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to no training: people start and stop it."""
        return not self.owner


def cluster_view(cluster: Object, trainings: Iterable[Object]) -> ClusterView:
    """Read a RayCluster as the API has it."""
    status, spec = cluster.get("status") or {}, cluster.get("spec") or {}
    namespace, name = key_of(cluster)
    groups = spec.get("workerGroupSpecs") or []
    owner = next((r["name"] for r in cluster["metadata"].get("ownerReferences") or [] if r.get("kind") == _KIND), "")
    head = status.get("head") or {}
    suspended = bool(spec.get("suspend"))
    state = str(status.get("state") or ("suspended" if suspended else ""))
    return ClusterView(
        namespace=namespace,
        name=name,
        state="Ending" if is_terminating(cluster) else state or "Starting",
        reason=str(status.get("reason") or ""),
        head=str(head.get("podName") or head.get("podIP") or ""),
        workers=f"{status.get('readyWorkerReplicas') or 0}/{status.get('desiredWorkerReplicas') or 0}",
        least=sum(int(group.get("minReplicas") or 0) for group in groups),
        most=sum(int(group.get("maxReplicas") or group.get("replicas") or 0) for group in groups),
        cpus=_count(status.get("desiredCPU")),
        memory=_memory(status.get("desiredMemory")),
        gpus=_count(status.get("desiredGPU")),
        autoscales=bool(spec.get("enableInTreeAutoscaling")),
        queue=labels_of(cluster).get(_QUEUE, ""),
        owner=owner,
        runs=sorted(_running_on(name, namespace, trainings)),
        created=str(cluster["metadata"].get("creationTimestamp") or ""),
        service=str(head.get("serviceName") or ""),
        is_suspended=suspended,
        is_going=is_terminating(cluster),
        uid=str(cluster["metadata"]["uid"]),
    )


def _running_on(cluster: str, namespace: str, trainings: Iterable[Object]) -> Iterable[str]:
    for training in trainings:
        if training["metadata"]["namespace"] != namespace or phase_of(training) in FINAL:
            continue
        used = ((training.get("status") or {}).get("rayCluster") or {}).get("name")
        if cluster in (used, (training["spec"].get("clusterRef") or {}).get("name")):
            yield training["metadata"]["name"]


def _count(quantity: Any) -> str:
    return f"{float(parse_quantity(quantity)):g}" if quantity not in (None, "") else "0"


def _memory(quantity: Any) -> str:
    return format_bytes(parse_quantity(quantity)) + "B" if quantity not in (None, "", "0") else "0"


@dataclass(frozen=True)
class QueueView:
    """One of Kueue's queues in a namespace: what is admitted, and what waits."""

    namespace: str
    name: str
    cluster_queue: str
    admitted: int
    pending: int
    waiting: list[str]


def queue_view(queue: Mapping[str, Any], trainings: Iterable[Object]) -> QueueView:
    """Read a LocalQueue (kueue.x-k8s.io) as the API has it; trainings tell which of them wait."""
    namespace, name = key_of(queue)
    status = queue.get("status") or {}
    waiting = [
        training["metadata"]["name"]
        for training in trainings
        if training["metadata"]["namespace"] == namespace
        and labels_of(training).get(_QUEUE) == name
        and (training.get("status") or {}).get("reason") == _WAITS
    ]
    return QueueView(
        namespace=namespace,
        name=name,
        cluster_queue=str((queue.get("spec") or {}).get("clusterQueue") or ""),
        admitted=int(status.get("admittedWorkloads") or 0),
        pending=int(status.get("pendingWorkloads") or 0),
        waiting=sorted(waiting),
    )
