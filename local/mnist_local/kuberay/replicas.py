"""How many workers, and how much of what, a RayCluster asks for."""

from collections.abc import Iterator
from decimal import Decimal

from mnist_local.kuberay import quantity
from mnist_local.kuberay.json_types import Json

MAX_INT32 = 2**31 - 1


def groups(cluster: Json) -> list[Json]:
    """The worker groups of a RayCluster."""
    return cluster["spec"].get("workerGroupSpecs") or []


def desired(group: Json) -> int:
    """Worker pods that a group should have: its replicas kept within its bounds, times its hosts."""
    if group.get("suspend"):
        return 0
    least, most = _bound(group, "minReplicas", 0), _bound(group, "maxReplicas", MAX_INT32)
    replicas = group.get("replicas")
    return min(max(least if replicas is None else replicas, least), most) * _hosts(group)


def _bound(group: Json, field: str, default: int) -> int:
    value = group.get(field)
    return default if value is None else int(value)


def _hosts(group: Json) -> int:
    return max(1, group.get("numOfHosts") or 1)


def total_desired(cluster: Json) -> int:
    """Worker pods that the whole cluster should have."""
    return sum(desired(group) for group in groups(cluster))


def total_bound(cluster: Json, field: str, default: int) -> int:
    """Sum of minReplicas or maxReplicas over the groups that are not suspended, at most the largest int32."""
    active = [group for group in groups(cluster) if not group.get("suspend")]
    return min(sum(_bound(group, field, default) * _hosts(group) for group in active), MAX_INT32)


def _template_resources(template: Json) -> Iterator[tuple[str, Decimal]]:
    for container in template["spec"].get("containers") or []:
        resources = container.get("resources") or {}
        merged = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
        for name, value in merged.items():
            yield name, quantity.parse(value)


def desired_resources(cluster: Json) -> dict[str, str]:
    """Status fields desiredCPU, desiredMemory, desiredGPU and desiredTPU: the head's and all replicas' requests."""
    total: dict[str, Decimal] = {}
    active = [group for group in groups(cluster) if not group.get("suspend")]
    parts = [(group["template"], (group.get("replicas") or 0) * _hosts(group)) for group in active]
    for template, count in [(cluster["spec"]["headGroupSpec"]["template"], 1), *parts]:
        for name, value in _template_resources(template):
            total[name] = total.get(name, Decimal(0)) + value * count
    gpus = sum((value for name, value in total.items() if name.endswith("gpu")), Decimal(0))
    return {
        "desiredCPU": quantity.format_count(total.get("cpu", Decimal(0))),
        "desiredMemory": quantity.format_bytes(total.get("memory", Decimal(0))),
        "desiredGPU": quantity.format_count(gpus),
        "desiredTPU": quantity.format_count(total.get("google.com/tpu", Decimal(0))),
    }
