"""Kubernetes objects as the plain JSON that they are: keys, labels, owners and conditions. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Object: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]
"""Namespace and name of an object."""


def key_of(obj: Mapping[str, Any]) -> Key:
    """Return namespace (empty for what has none) and name."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels, empty when there are none."""
    return obj["metadata"].get("labels") or {}


def is_terminating(obj: Mapping[str, Any]) -> bool:
    """Whether the object's deletion has begun."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def resource_version(obj: Mapping[str, Any]) -> int:
    """Return the version as a number: comparable since Kubernetes 1.35 (KEP-5504), and in fact always; 0 if none."""
    version = str(obj["metadata"].get("resourceVersion") or "0")
    return int(version) if version.isdigit() else 0


# --- owners ----------------------------------------------------------------------------------------------------------


def owner_reference(owner: Mapping[str, Any]) -> Object:
    """Return a reference to the controlling owner; it also blocks a foreground deletion of the owner."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def controller_uid(obj: Mapping[str, Any]) -> str | None:
    """Return the uid of the controlling owner, or None."""
    for reference in obj["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return str(reference["uid"])
    return None


# --- conditions (metav1.Condition) -----------------------------------------------------------------------------------

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"


def find_condition(conditions: Iterable[Mapping[str, Any]], kind: str) -> Mapping[str, Any] | None:
    """Return the condition of this type, or None."""
    return next((entry for entry in conditions if entry["type"] == kind), None)


def is_true(conditions: Iterable[Mapping[str, Any]], kind: str) -> bool:
    """Whether the condition of this type is there and True."""
    return (find_condition(conditions, kind) or {}).get("status") == TRUE


def with_condition(
    conditions: Iterable[Object], kind: str, status: str, reason: str, message: str, now: str
) -> list[Object]:
    """Return the conditions with one of them set, in its old place or last.

    Its transition time moves only when its status does, as the API's conventions have it.
    """
    known = list(conditions)
    before = find_condition(known, kind)
    since = before["lastTransitionTime"] if before is not None and before["status"] == status else now
    entry: Object = {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": since,
    }
    if before is None:
        return [*known, entry]
    return [entry if old["type"] == kind else old for old in known]


def without_condition(conditions: Iterable[Object], kind: str) -> list[Object]:
    """Return the conditions without the one of this type."""
    return [entry for entry in conditions if entry["type"] != kind]
