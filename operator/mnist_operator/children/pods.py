"""Pod templates of head, workers and submitter: what we want, with the user's partial template laid over it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from mnist_kube.quantity import parse_quantity
from mnist_operator.api.workers import ResourceRequirements
from mnist_operator.children import code
from mnist_operator.children.training import (
    Group,
    Installation,
    Manifest,
    Training,
    labels,
    service_account_name,
    storage_secret_name,
)

HEAD_CONTAINER = "ray-head"
WORKER_CONTAINER = "ray-worker"
SUBMITTER_CONTAINER = "submitter"
DASHBOARD_PORT = 8265
GPU_RESOURCE = "nvidia.com/gpu"
# Requests that fit a small node; limits that Ray takes its figures from.
_DEFAULT_HEAD_RESOURCES = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "3Gi"}}
_DEFAULT_WORKER_RESOURCES = {"requests": {"cpu": "250m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "3Gi"}}
_SUBMITTER_RESOURCES = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
_POD_SECURITY: Manifest = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 100,
    "fsGroup": 100,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# Ray writes sessions, sockets and logs below /tmp. Shared memory for its objects is mounted by KubeRay, sized by the
# container's memory.
_WRITABLE = (("tmp", "/tmp"),)
# Ray keeps a node that is told to end for half a minute (Ray 2.60, _private/node.py), for those who serve requests. Our
# trainer has no use for that, so a deleted training frees its nodes at once. A script of the user's own may have: Ray
# Train tells its workers, which can write a checkpoint before the pod's 30 s are over; on the head its log is kept.
DRAIN_VARIABLE = "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"
_SCRIPT_HEAD_ENV, _SCRIPT_WORKER_ENV = {DRAIN_VARIABLE: "5"}, {DRAIN_VARIABLE: "25"}
# The trainer's image says the same; one that the user brings may not be made of it.
IMAGE_ENV = {
    "HOME": "/tmp",
    "PYTHONUNBUFFERED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    DRAIN_VARIABLE: "0",
}
# The head's ports as KubeRay has them where none is named; once one is, KubeRay serves the named ones only.
_HEAD_PORTS = (("gcs-server", 6379), ("dashboard", DASHBOARD_PORT), ("client", 10001), ("metrics", 8080))
# Worker processes start and load what training needs before there is a job, instead of during its start.
WORKER_ENV = {
    "RAY_enable_worker_prestart": "1",
    "RAY_preload_python_modules": "torch,mnist_trainer.workers.worker",
}


def head_template(training: Training, installation: Installation) -> Manifest:
    """Return the head's pod template: GCS, dashboard and the driver."""
    head = training.spec.head
    resources = _resources(head.resources, _DEFAULT_HEAD_RESOURCES)
    env = _SCRIPT_HEAD_ENV if code.command_of(training) else {}
    container = _container(training, installation, HEAD_CONTAINER, resources, env)
    if _names_ports(head.template):
        container["ports"] = [{"name": name, "containerPort": port} for name, port in _HEAD_PORTS]
    container["envFrom"] = [{"secretRef": {"name": storage_secret_name(training)}}]
    return _template(training, "head", container, head.template, mounts_token=True)


def worker_template(training: Training, group: Group, installation: Installation) -> Manifest:
    """Return the pod template of a group of workers: one worker of the trainer each."""
    resources = _resources(group.resources, _DEFAULT_WORKER_RESOURCES)
    if gpus := training.spec.workers.gpus_per_worker:
        for part in ("requests", "limits"):
            resources[part] = {**resources.get(part, {}), GPU_RESOURCE: gpus}
    env = {**WORKER_ENV, **_threads(resources)}
    if code.command_of(training):
        env |= _SCRIPT_WORKER_ENV
    container = _container(training, installation, WORKER_CONTAINER, resources, env)
    container["envFrom"] = [{"secretRef": {"name": storage_secret_name(training)}}]
    return _template(training, "worker", container, group.template, mounts_token=False)


def submitter_template(training: Training, installation: Installation) -> Manifest:
    """Return the submitter's pod template: it follows the job's log and needs no rights and no credentials."""
    container = _container(training, installation, SUBMITTER_CONTAINER, dict(_SUBMITTER_RESOURCES))
    template = _template(training, "submitter", container, None, mounts_token=False)
    account = service_account_name(training, "worker")
    if training.spec.cluster_ref is None:
        template["spec"]["serviceAccountName"] = account
    return template


def _container(
    training: Training,
    installation: Installation,
    name: str,
    resources: Manifest,
    env: Mapping[str, str] = MappingProxyType({}),
) -> Manifest:
    container: Manifest = {
        "name": name,
        "image": training.image or installation.trainer_image,
        "resources": resources,
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in _WRITABLE],
    }
    if said := {**(IMAGE_ENV if training.image else {}), **env}:
        container["env"] = [{"name": key, "value": value} for key, value in said.items()]
    if training.spec.ray.image_pull_policy:
        container["imagePullPolicy"] = training.spec.ray.image_pull_policy
    return container


def _template(
    training: Training, component: str, container: Manifest, patch: dict[str, Any] | None, *, mounts_token: bool
) -> Manifest:
    spec: Manifest = {
        "automountServiceAccountToken": mounts_token,
        "containers": [container],
        # A lost process always becomes a new pod, under a new name: that is how a loss is noticed.
        "restartPolicy": "Never",
        "securityContext": dict(_POD_SECURITY),
        "volumes": [{"name": volume, "emptyDir": {}} for volume, _ in _WRITABLE],
    }
    if component != "submitter":
        spec["serviceAccountName"] = service_account_name(training, component)
        code.mount(training, container, spec["volumes"])
    if secrets := training.spec.ray.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret.name} for secret in secrets]
    template: Manifest = overlay({"metadata": {"labels": {}}, "spec": spec}, patch or {})
    ours = labels(training, component if component == "submitter" else "")
    template["metadata"]["labels"] = {**template["metadata"].get("labels", {}), **ours}
    return template


def _names_ports(template: dict[str, Any] | None) -> bool:
    """Whether a user's template for the head names ports of the Ray container."""
    spec = (template or {}).get("spec")
    containers = spec.get("containers") if isinstance(spec, dict) else None
    named = [item for item in containers if isinstance(item, dict)] if isinstance(containers, list) else []
    return any(item.get("name") == HEAD_CONTAINER and item.get("ports") for item in named)


def _threads(resources: Manifest) -> dict[str, str]:
    """Ray sees one CPU in each worker's pod; the worker computes on all that it has."""
    cpus = resources.get("limits", {}).get("cpu", resources.get("requests", {}).get("cpu", 1))
    threads = int(parse_quantity(cpus))
    return {"OMP_NUM_THREADS": str(threads)} if threads > 1 else {}


def _resources(asked: ResourceRequirements | None, default: Manifest) -> Manifest:
    given = {} if asked is None else asked.model_dump(exclude_none=True, by_alias=True)
    return {key: dict(value) for key, value in (given or default).items()}


# Merge keys of the lists in a pod template, by field name.
# https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ ("patch strategy: merge on key ...")
MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}
# Kubernetes would replace this list; that would silently take the credentials away.
_APPENDED = frozenset({"envFrom"})
# One of several alternatives stands in an item: merging two items would give both.
_REPLACED_ITEMS = frozenset({"env", "volumes"})


def overlay(base: Any, patch: Any, field: str = "") -> Any:
    """Return `base` with `patch` laid over it; neither is changed.

    Objects merge; a null removes a field; lists merge by their key where Kubernetes has one, else they are replaced.
    """
    if isinstance(base, dict) and isinstance(patch, dict):
        merged = copy.deepcopy(base)
        for key, value in patch.items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = overlay(merged.get(key), value, key)
        return merged
    if isinstance(base, list) and isinstance(patch, list):
        return _lists(base, patch, field)
    return copy.deepcopy(patch)


def _lists(base: list[Any], patch: list[Any], field: str) -> list[Any]:
    if field in _APPENDED:
        return [*copy.deepcopy(base), *(copy.deepcopy(item) for item in patch if item not in base)]
    key = MERGE_KEYS.get(field)
    if key is None:
        return copy.deepcopy(patch)
    merged = copy.deepcopy(base)
    places = {item.get(key): index for index, item in enumerate(merged) if isinstance(item, dict)}
    for item in patch:
        index = places.get(item.get(key)) if isinstance(item, dict) else None
        if index is None:
            merged.append(copy.deepcopy(item))
        elif field in _REPLACED_ITEMS:
            merged[index] = copy.deepcopy(item)
        else:
            merged[index] = overlay(merged[index], item)
    return merged


Object = Mapping[str, Any]
REQUESTED = "requested"
"""In a cached RayCluster's spec: `{"head": (cpus, gpus), "worker": (cpus, gpus)}`."""
_GPU_SUFFIX = "/gpu"


def requested(spec: Object) -> dict[str, tuple[float, float]]:
    """Return CPUs and GPUs that the head and one worker request: the mean over all groups, by their numbers."""
    groups = spec.get("workerGroupSpecs") or []
    workers = sum(int(group.get("replicas") or 0) for group in groups)
    cpu = gpu = 0.0
    for group in groups:
        share = int(group.get("replicas") or 0) / workers if workers else 1 / len(groups)
        one = _of_template(group.get("template") or {})
        cpu, gpu = cpu + share * one[0], gpu + share * one[1]
    return {"head": _of_template((spec.get("headGroupSpec") or {}).get("template") or {}), "worker": (cpu, gpu)}


def _of_template(template: Object) -> tuple[float, float]:
    cpu = gpu = 0.0
    for container in (template.get("spec") or {}).get("containers") or []:
        resources = container.get("resources") or {}
        # As Kubernetes has it: what is not requested is requested up to its limit.
        for name, quantity in {**(resources.get("limits") or {}), **(resources.get("requests") or {})}.items():
            if name == "cpu":
                cpu += _number(quantity)
            elif name.endswith(_GPU_SUFFIX):
                gpu += _number(quantity)
    return cpu, gpu


def _number(quantity: int | str) -> float:
    try:
        return float(parse_quantity(quantity))
    except ValueError:
        return 0.0
