"""Small objects for the tests of the local KubeRay."""

from __future__ import annotations

from typing import Any

from mnist_local.kuberay import names as k


def cluster(*groups: dict[str, Any], status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A RayCluster named `demo` in `ns`, as the API returns it (defaults filled in)."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "demo", "namespace": "ns", "uid": "cluster-uid", "generation": 1, "resourceVersion": "1"},
        "spec": {
            "rayVersion": "2.60.0",
            "authOptions": {"mode": "token"},
            "headGroupSpec": {"rayStartParams": {"num-cpus": "0"}, "template": template("ray-head")},
            "workerGroupSpecs": list(groups),
            **spec,
        },
        "status": status or {},
    }


def group(name: str = "workers", replicas: int = 1, **fields: Any) -> dict[str, Any]:
    """A worker group, as the API returns it."""
    defaults = {"minReplicas": 0, "maxReplicas": 2**31 - 1, "numOfHosts": 1, "rayStartParams": {}}
    return {"groupName": name, "replicas": replicas, "template": template("ray-worker"), **defaults, **fields}


def template(container: str) -> dict[str, Any]:
    """A pod template with one container."""
    resources = {"limits": {"cpu": "1", "memory": "1Gi"}}
    return {"spec": {"restartPolicy": "Never", "containers": [{"name": container, "resources": resources}]}}


def pod(
    name: str,
    node_type: str = k.WORKER,
    group_name: str = "workers",
    phase: str = "Running",
    ready: bool = True,
    terminating: bool = False,
    terminated: dict[str, Any] | None = None,
    index: int = 0,
) -> dict[str, Any]:
    """A pod of `demo`."""
    container = "ray-head" if node_type == k.HEAD else "ray-worker"
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "ns",
        "uid": f"{name}-uid",
        "labels": {
            k.CLUSTER_LABEL: "demo",
            k.NODE_TYPE_LABEL: node_type,
            k.GROUP_LABEL: group_name,
            k.REPLICA_INDEX_LABEL: str(index),
        },
    }
    if terminating:
        metadata["deletionTimestamp"] = "2026-11-21T05:50:00Z"
    state = {"terminated": terminated} if terminated else {"running": {}}
    return {
        "metadata": metadata,
        "spec": {"restartPolicy": "Never", "containers": [{"name": container}]},
        "status": {
            "phase": phase,
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [{"name": container, "state": state}],
        },
    }


def head(name: str = "demo-head-abcde", **fields: Any) -> dict[str, Any]:
    """The head pod of `demo`."""
    return pod(name, node_type=k.HEAD, group_name=k.HEAD_GROUP, **fields)


def rayjob(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A RayJob on `demo`."""
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayJob",
        "metadata": {"name": "job", "namespace": "ns", "uid": "job-uid", "resourceVersion": "1"},
        "spec": {
            "clusterSelector": {k.CLUSTER_LABEL: "demo"},
            "entrypoint": "true",
            "submissionMode": "HTTPMode",
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": 0,
            **spec,
        },
        "status": status or {},
    }
