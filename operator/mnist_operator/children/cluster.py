"""The RayCluster of a training: what is made, how its size follows the spec, and what is read of KubeRay's status."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_kube.objects import controller_uid
from mnist_kube.quantity import parse_quantity
from mnist_operator.children.pods import CONTAINER_SECURITY, head_template, worker_template
from mnist_operator.children.training import (
    ANNOTATION_HASH,
    LABEL_QUEUE,
    Group,
    Installation,
    Manifest,
    Training,
    autoscaling,
    child,
    content_hash,
    queue_labels,
    worker_groups,
)

API_VERSION = "ray.io/v1"
KIND = "RayCluster"
SCALE = ("replicas", "minReplicas", "maxReplicas")


def ray_cluster(training: Training, name: str, installation: Installation) -> Manifest:
    """Return the RayCluster `name`: one head that trains nothing, and the groups of workers.

    It says nothing that KubeRay does by itself (the head's ports, where its dashboard listens) or that the trainer's
    image says: an API server pays for every field of an object, each time that the object is written or watched.

    The hash in its annotations is that of all but the name and the numbers of workers, which may change while it runs:
    a cluster with another hash than the training's next one was made from a spec that has changed since.
    """
    spec: Manifest = {
        "rayVersion": training.ray_version(installation),
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "serviceType": training.spec.head.service_type.value,
            # Keeps training workers off the head.
            "rayStartParams": {"num-cpus": "0"},
            "template": head_template(training, installation),
        },
        "workerGroupSpecs": [
            {
                "groupName": group.name,
                **worker_scale(training, group),
                # One place for one worker in each pod, whatever its size: the trainer asks for the same resources for
                # every worker, and would else pack several of them into one large pod.
                "rayStartParams": {"num-cpus": "1"},
                "template": worker_template(training, group, installation),
            }
            for group in worker_groups(training)
        ],
    }
    if autoscaling(training):
        spec["enableInTreeAutoscaling"] = True
        spec["autoscalerOptions"] = {
            "version": "v2",
            "idleTimeoutSeconds": 60,
            "securityContext": {
                key: value for key, value in CONTAINER_SECURITY.items() if key != "readOnlyRootFilesystem"
            },
        }
    cluster = child(training, api_version=API_VERSION, kind=KIND, name=name, component="cluster", spec=spec)
    cluster["metadata"]["labels"].update(queue_labels(training))
    cluster["metadata"]["annotations"][ANNOTATION_HASH] = content_hash(_without_scale(cluster))
    return cluster


def worker_scale(training: Training, group: Group) -> dict[str, int]:
    """Return replicas, minReplicas and maxReplicas of a worker group; without autoscaling all three are the same."""
    if not autoscaling(training):
        return dict.fromkeys(SCALE, group.replicas)
    return {"replicas": group.replicas, "minReplicas": group.min_replicas, "maxReplicas": group.max_replicas}


def scale_patch(training: Training, live: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON patch that brings a live RayCluster's worker groups to the desired size; empty when they have it.

    workerGroupSpecs is an atomic list, so only the numbers are replaced, guarded by each group's name. With autoscaling
    `replicas` belongs to the autoscaler.
    """
    places = {group.get("groupName"): index for index, group in enumerate(live["spec"].get("workerGroupSpecs") or [])}
    patch: list[dict[str, Any]] = []
    for group in worker_groups(training):
        if group.name not in places:
            continue  # asked for after the cluster was made: it comes with the next one
        desired = worker_scale(training, group)
        if autoscaling(training):
            del desired["replicas"]
        path = f"/spec/workerGroupSpecs/{places[group.name]}"
        found = live["spec"]["workerGroupSpecs"][places[group.name]]
        changes = [
            {"op": "add", "path": f"{path}/{key}", "value": value}
            for key, value in desired.items()
            if found.get(key) != value
        ]
        if changes:
            patch += [{"op": "test", "path": f"{path}/groupName", "value": group.name}, *changes]
    return patch


def _without_scale(cluster: Manifest) -> Manifest:
    shape = copy.copy(cluster)
    shape["metadata"] = {**cluster["metadata"], "name": ""}
    shape["spec"] = {
        **cluster["spec"],
        "workerGroupSpecs": [
            {key: value for key, value in group.items() if key not in SCALE}
            for group in cluster["spec"]["workerGroupSpecs"]
        ],
    }
    return shape


_GENERATED = re.compile(r"(-(?:head|worker)-)[a-z0-9]{5}\b")
# Reasons of HeadPodReady while all is well so far; others name what keeps the head from starting.
_STILL_STARTING = frozenset(
    {
        "",
        "Unknown",
        "HeadPodNotFound",
        "ContainerCreating",
        "PodInitializing",
        "ContainersNotReady",
        "HeadPodRunningAndReady",
    }
)


@dataclass(frozen=True)
class ClusterView:
    """A RayCluster."""

    name: str
    uid: str
    owner_uid: str | None
    deleting: bool
    suspended: bool
    reported: bool
    """Whether KubeRay has written any status; it writes none for a cluster that it refuses."""
    head_ready: bool
    head_problem: str
    state: str
    head_pod: str | None
    head_service: str | None
    ready_workers: int
    wanted_workers: int
    replica_failure: str | None
    created: str | None
    ray_version: str = ""
    queue: str | None = None
    """Kueue's queue that admits it, if any."""
    spec_hash: str = ""
    """Hash of what it was made from, all but the numbers of workers."""
    dashboard_port: str | None = None
    """Port of the dashboard as KubeRay gives it: a node's port where the head's Service has one."""
    cpus: float | None = None
    gpus: float | None = None
    """What all its pods offer to Ray, where KubeRay says so."""
    autoscaled: bool = False

    @property
    def usable(self) -> bool:
        """Whether a job may be started on it.

        `state` alone stays `ready` when a head is lost; HeadPodReady alone is true before the workers are there.
        """
        return not self.deleting and not self.suspended and self.head_ready and self.state == "ready"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> ClusterView:
        """Read a RayCluster as the API returns it."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        conditions = {item.get("type"): item for item in status.get("conditions") or []}
        head_condition = conditions.get("HeadPodReady", {})
        failure = conditions.get("ReplicaFailure", {})
        head = status.get("head") or {}
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            owner_uid=controller_uid(obj),
            deleting=bool(metadata.get("deletionTimestamp")),
            suspended=bool((obj.get("spec") or {}).get("suspend")) or status.get("state") == "suspended",
            reported=bool(conditions or status.get("state") or head),
            # KubeRay before 1.3 had no conditions; `ready` is then all there is.
            head_ready=head_condition.get("status", "True" if status.get("state") == "ready" else "False") == "True",
            head_problem="" if head_condition.get("reason") in _STILL_STARTING else _sentence(head_condition),
            state=status.get("state") or "",
            head_pod=head.get("podName"),
            head_service=head.get("serviceName"),
            ready_workers=int(status.get("readyWorkerReplicas") or 0),
            wanted_workers=int(status.get("desiredWorkerReplicas") or 0),
            replica_failure=_sentence(failure) if failure.get("status") == "True" else None,
            created=metadata.get("creationTimestamp"),
            ray_version=(obj.get("spec") or {}).get("rayVersion") or "",
            queue=(metadata.get("labels") or {}).get(LABEL_QUEUE),
            spec_hash=(metadata.get("annotations") or {}).get(ANNOTATION_HASH, ""),
            dashboard_port=(status.get("endpoints") or {}).get("dashboard"),
            cpus=_amount(status.get("desiredCPU")),
            gpus=_amount(status.get("desiredGPU")),
            autoscaled=bool((obj.get("spec") or {}).get("enableInTreeAutoscaling")),
        )


def _amount(quantity: Any) -> float | None:
    try:
        return None if quantity is None else float(parse_quantity(quantity))
    except ValueError:
        return None


def _sentence(condition: Mapping[str, Any]) -> str:
    return stable(str(condition.get("message") or condition.get("reason") or "")).rstrip(":; ")


def stable(text: str) -> str:
    """Return a message on one line and without generated pod names, so that a retry does not make another of it."""
    return _GENERATED.sub(r"\1…", " ".join(text.split()))
