"""What objects use of a ResourceQuota: counts of every resource, and the compute that pods ask for."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema.quantity import canonical_quantity, parse_quantity

Amounts = dict[str, Fraction]
TABLE = "resourcequotas"
_COUNTED = frozenset({"pods", "services", "secrets", "configmaps", "persistentvolumeclaims", TABLE})
_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_PLAIN = ("cpu", "memory")
"""Without a prefix these mean requests."""


def names_of(resource: Resource) -> set[str]:
    """Return the quota's names for the number of objects of a resource."""
    names = {f"count/{resource.table_name}"}
    return names | {resource.plural} if resource.table_name in _COUNTED else names


def usage(resource: Resource, obj: Obj, limited: Iterable[str]) -> Amounts:
    """Return how much an object counts towards each of the limited names that it is about."""
    counts = names_of(resource)
    if resource.table_name != "pods":
        return {name: Fraction(1) for name in limited if name in counts}
    ended = (obj.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    used: Amounts = {}
    for name in limited:
        if name == "count/pods":
            used[name] = Fraction(1)
        elif name == "pods":
            used[name] = Fraction(0 if ended else 1)
        elif (kind := _kind(name)) is not None:
            used[name] = Fraction(0) if ended else _pod_total(obj["spec"], *kind)
    return used


def unspecified(obj: Obj, limited: Iterable[str]) -> dict[str, list[str]]:
    """Return the limited names that containers of a pod say nothing about, each with these containers' names."""
    missing: dict[str, list[str]] = {}
    for name in sorted(limited):
        kind = _kind(name)
        # Only what a quota limits by these names must be said by every container.
        if kind is None or kind[1] == "ephemeral-storage" or kind[1] not in _PLAIN:
            continue
        silent = [
            container["name"]
            for container in [*(obj["spec"].get("initContainers") or ()), *obj["spec"]["containers"]]
            if _amount(container, *kind) is None
        ]
        if silent:
            missing[name] = silent
    return missing


def limits(quota: Obj) -> Amounts:
    """Return what a quota allows."""
    return {name: parse_quantity(str(text)) for name, text in (quota["spec"].get("hard") or {}).items()}


def text(name: str, value: Fraction) -> str:
    """Return an amount as a quantity; memory and storage in powers of 1024 where they are whole ones."""
    binary = name.endswith(("memory", "storage")) and value and value % 1024 == 0
    if binary:
        return canonical_quantity(f"{value.numerator // 1024}Ki")
    milli = value * 1000
    return canonical_quantity(f"{milli.numerator}m" if milli.denominator == 1 else f"{-(-milli // 1)}m")


def shown(amounts: Amounts) -> str:
    """Return amounts as refusals list them."""
    return ",".join(f"{name}={text(name, value)}" for name, value in sorted(amounts.items()))


def _kind(name: str) -> tuple[str, str] | None:
    """Return ("requests" or "limits", the compute resource) for a name that pods are charged under."""
    prefix, _, resource = name.partition(".")
    if prefix in ("requests", "limits") and resource and not resource.startswith("storage"):
        return prefix, resource
    return ("requests", name) if name in _PLAIN else None


def _amount(container: Obj, section: str, resource: str) -> Fraction | None:
    resources = container.get("resources") or {}
    value = (resources.get(section) or {}).get(resource)
    if value is None and section == "requests":
        value = (resources.get("limits") or {}).get(resource)
    return None if value is None else parse_quantity(str(value))


def _pod_total(spec: Obj, section: str, resource: str) -> Fraction:
    def of(container: Obj) -> Fraction:
        return _amount(container, section, resource) or Fraction(0)

    # Init containers run one after the other, before the others run together.
    first = max((of(container) for container in spec.get("initContainers") or ()), default=Fraction(0))
    return max(first, sum((of(container) for container in spec["containers"]), Fraction(0)))
