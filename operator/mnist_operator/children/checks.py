"""Every check that KubeRay or the kubelet would make later, made first and said in a sentence.

KubeRay tells of a refused RayCluster only by an event, so a refusal must be foreseen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from mnist_kube.quantity import parse_quantity
from mnist_operator.children.pods import HEAD_CONTAINER, WORKER_CONTAINER, head_template, worker_template
from mnist_operator.children.training import (
    LABEL_QUEUE,
    Group,
    Installation,
    Manifest,
    Training,
    autoscaling,
    service_account_name,
    worker_groups,
)

_AUTOSCALER_ACCOUNT_LENGTH = 50
_KUEUE_GROUPS = 7
# KubeRay refuses these variables in the head's Ray container unless fault tolerance of the GCS is configured.
_REFUSED_HEAD_ENV = frozenset({"RAY_REDIS_ADDRESS", "REDIS_USERNAME", "RAY_enable_autoscaler_v2"})


def spec_problems(training: Training, installation: Installation) -> list[str]:
    """Return what makes this training impossible, each as a sentence that names the field; empty when all is well."""
    return [
        *_image_problems(training, installation),
        *_template_problems(training, installation),
        *_resource_problems(training),
        *_autoscaling_problems(training),
    ]


def _image_problems(training: Training, installation: Installation) -> list[str]:
    ray = training.spec.ray
    if ray.image is None and training.ray_version(installation) != installation.trainer_ray_version:
        return [
            f"spec.ray.version is {ray.version}, but the default trainer image has Ray "
            f"{installation.trainer_ray_version}: set spec.ray.image to an image with Ray {ray.version}"
        ]
    return []


def _template_problems(training: Training, installation: Installation) -> list[str]:
    problems = _one_template(
        "spec.head.template",
        training.spec.head.template,
        HEAD_CONTAINER,
        lambda: head_template(training, installation),
        gpus=None,
    )
    for group in _given_groups(training):
        problems += _one_template(
            f"{group.path}.template",
            group.template,
            WORKER_CONTAINER,
            partial(worker_template, training, group, installation),
            gpus=training.spec.workers.gpus_per_worker,
        )
    return problems


def _given_groups(training: Training) -> list[Group]:
    """The first group, and those that are not simply like it."""
    first, *others = worker_groups(training)
    return [
        first,
        *(group for group in others if (group.template, group.resources) != (first.template, first.resources)),
    ]


def _one_template(
    path: str, patch: dict[str, Any] | None, container: str, template: Callable[[], Manifest], gpus: int | None
) -> list[str]:
    if shape := _shape_problem(path, patch):
        return [shape]
    problems = []
    spec = template()["spec"]
    if spec.get("restartPolicy") != "Never":
        problems.append(f"{path}.spec.restartPolicy must stay Never: a lost process must become a new pod")
    if not spec.get("containers") or spec["containers"][0].get("name") != container:
        return [*problems, f"{path}.spec.containers must keep the container {container}"]
    ray = spec["containers"][0]
    given = {item.get("name") for item in ray.get("env", [])}
    problems += [
        f"{path}: KubeRay refuses the variable {name} in {container}" for name in sorted(given & _REFUSED_HEAD_ENV)
    ]
    if gpus is not None:
        problems += _gpu_problems(path.removesuffix(".template"), ray.get("resources", {}).get("limits", {}), gpus)
    return problems


def _gpu_problems(path: str, limits: dict[str, Any], gpus: int) -> list[str]:
    """Ray counts every limit that ends in `gpu`; the trainer asks for gpusPerWorker of them for each worker."""
    found = {name: parse_quantity(value) for name, value in limits.items() if name.endswith("gpu")}
    if sum(found.values()) == gpus:
        return []
    names = ", ".join(sorted(found))
    return [
        f"{path} has limits of its own for {names}: set spec.workers.gpusPerWorker, which is {gpus}; "
        "the trainer gives every worker the same number of GPUs"
    ]


def _shape_problem(path: str, patch: dict[str, Any] | None) -> str | None:
    """The API cannot see into a template, so its rough shape is checked here."""
    if patch is None:
        return None
    unknown = sorted(set(patch) - {"metadata", "spec"})
    if unknown:
        return f"{path}.{unknown[0]} is not a field of a pod template (metadata, spec)"
    for part in ("metadata", "spec"):
        if not isinstance(patch.get(part, {}), dict):
            return f"{path}.{part} must be an object"
    for field in ("containers", "initContainers", "volumes", "imagePullSecrets"):
        items = patch.get("spec", {}).get(field, [])
        if not isinstance(items, list) or not all(isinstance(item, dict) and item.get("name") for item in items):
            return f"{path}.spec.{field} must be a list of objects, each with a name"
    return None


def _autoscaling_problems(training: Training) -> list[str]:
    """KubeRay cuts the head's ServiceAccount name to 50 characters when it makes the autoscaler's rights."""
    if LABEL_QUEUE in training.labels and (problems := _queue_problems(training)):
        return problems
    name = service_account_name(training, "head")
    if autoscaling(training) and len(name) > _AUTOSCALER_ACCOUNT_LENGTH:
        return [
            f"spec.serviceAccount.name has {len(name)} characters; with maxReplicas KubeRay allows "
            f"{_AUTOSCALER_ACCOUNT_LENGTH}"
        ]
    return []


def _queue_problems(training: Training) -> list[str]:
    """What Kueue's webhook would refuse; the API itself refuses a group named `head`."""
    problems = []
    if autoscaling(training):
        problems.append(
            "Kueue does not admit a RayCluster with autoscaling: leave out spec.workers.maxReplicas or the queue"
        )
    groups = len(worker_groups(training))
    if groups > _KUEUE_GROUPS:
        problems.append(
            f"Kueue admits a RayCluster with at most {_KUEUE_GROUPS} groups of workers, and this one has {groups}: "
            "leave some of spec.workers.additionalGroups out, or the queue"
        )
    return problems


def _resource_problems(training: Training) -> list[str]:
    problems = []
    for path, resources in (
        ("spec.head.resources", training.spec.head.resources),
        *((f"{group.path}.resources", group.resources) for group in _given_groups(training)),
    ):
        requests = (resources.requests if resources else None) or {}
        limits = (resources.limits if resources else None) or {}
        problems += [
            f"{path}.requests.{name} is more than its limit"
            for name in sorted(requests.keys() & limits.keys())
            if parse_quantity(requests[name]) > parse_quantity(limits[name])
        ]
    return problems
