"""What the pods of a RayCluster request: CPUs and GPUs of the head, and of one worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnist_kube.quantity import parse_quantity

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
