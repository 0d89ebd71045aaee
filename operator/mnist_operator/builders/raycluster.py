"""The RayCluster of a training."""

from __future__ import annotations

import copy
from typing import Any

from mnist_operator.builders.context import Installation, Manifest, Training
from mnist_operator.builders.groups import Group, autoscaling, worker_groups
from mnist_operator.builders.metadata import ANNOTATION_HASH, child, content_hash, queue_labels
from mnist_operator.builders.pods import CONTAINER_SECURITY, head_template, worker_template

API_VERSION = "ray.io/v1"
KIND = "RayCluster"
SCALE = ("replicas", "minReplicas", "maxReplicas")


def ray_cluster(training: Training, name: str, installation: Installation) -> Manifest:
    """Return the RayCluster `name`: one head that trains nothing, and the groups of workers.

    The hash in its annotations is that of all but the name and the numbers of workers, which may change while it runs:
    a cluster with another hash than the training's next one was made from a spec that has changed since.
    """
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
    return {"replicas": group.replicas, "minReplicas": group.least, "maxReplicas": group.most}


def scale_patch(training: Training, live: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the JSON patch that brings a live RayCluster's worker groups to the wished-for scale; empty when they are.

    workerGroupSpecs is an atomic list, so only the numbers are replaced, guarded by each group's name. With autoscaling
    `replicas` belongs to the autoscaler.
    """
    places = {group.get("groupName"): index for index, group in enumerate(live["spec"].get("workerGroupSpecs") or [])}
    patch: list[dict[str, Any]] = []
    for group in worker_groups(training):
        if group.name not in places:
            continue  # asked for after the cluster was made: it comes with the next one
        wish = worker_scale(training, group)
        if autoscaling(training):
            del wish["replicas"]
        path = f"/spec/workerGroupSpecs/{places[group.name]}"
        found = live["spec"]["workerGroupSpecs"][places[group.name]]
        changes = [
            {"op": "add", "path": f"{path}/{key}", "value": value}
            for key, value in wish.items()
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
