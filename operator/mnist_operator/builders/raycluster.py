"""The RayCluster of a training."""

from __future__ import annotations

from typing import Any

from mnist_operator.builders.context import Installation, Manifest, Training
from mnist_operator.builders.metadata import child, queue_labels, sealed
from mnist_operator.builders.pods import CONTAINER_SECURITY, head_template, worker_template

API_VERSION = "ray.io/v1"
KIND = "RayCluster"
WORKER_GROUP = "workers"


def ray_cluster(training: Training, name: str, installation: Installation) -> Manifest:
    """Return the RayCluster `name`: one head that trains nothing, and one group of workers."""
    spec: Manifest = {
        "rayVersion": training.spec.ray.version,
        "authOptions": {"mode": "token"},
        "headGroupSpec": {
            "serviceType": training.spec.head.service_type.value,
            # num-cpus 0 keeps training workers off the head; the dashboard must be reachable from other pods.
            "rayStartParams": {"dashboard-host": "0.0.0.0", "num-cpus": "0"},
            "template": head_template(training, installation),
        },
        "workerGroupSpecs": [
            {
                "groupName": WORKER_GROUP,
                **worker_scale(training),
                "rayStartParams": {},
                "template": worker_template(training, installation),
            }
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
    return sealed(cluster)


def autoscaling(training: Training) -> bool:
    """Whether the number of workers may move on its own."""
    workers = training.spec.workers
    return workers.max_replicas is not None and workers.max_replicas > (workers.min_replicas or workers.replicas)


def worker_scale(training: Training) -> dict[str, int]:
    """Return replicas, minReplicas and maxReplicas of the worker group.

    Without autoscaling all three are the same; minReplicas of the training is then only the trainer's own tolerance.
    """
    workers = training.spec.workers
    if not autoscaling(training):
        return {"replicas": workers.replicas, "minReplicas": workers.replicas, "maxReplicas": workers.replicas}
    return {
        "replicas": workers.replicas,
        "minReplicas": workers.min_replicas or workers.replicas,
        "maxReplicas": workers.max_replicas or workers.replicas,
    }


def scale_patch(training: Training, live: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON patch that brings a live RayCluster's worker group to the wished-for scale; empty when it is.

    workerGroupSpecs is an atomic list, so only the numbers are replaced, guarded by the group's name. With autoscaling
    `replicas` belongs to the autoscaler.
    """
    groups = live.get("spec", {}).get("workerGroupSpecs") or []
    index = next((i for i, group in enumerate(groups) if group.get("groupName") == WORKER_GROUP), None)
    if index is None:
        return []
    wish = worker_scale(training)
    if autoscaling(training):
        del wish["replicas"]
    path = f"/spec/workerGroupSpecs/{index}"
    changes = [
        {"op": "add", "path": f"{path}/{key}", "value": value}
        for key, value in wish.items()
        if groups[index].get(key) != value
    ]
    if not changes:
        return []
    return [{"op": "test", "path": f"{path}/groupName", "value": WORKER_GROUP}, *changes]
