"""Kubernetes objects are handled as the plain JSON that they are."""

from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str]
"""(namespace, name) of an object."""


def key_of(obj: Json) -> Key:
    """The (namespace, name) of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def labels_of(obj: Json) -> dict[str, str]:
    """The labels of an object, empty when it has none."""
    return obj["metadata"].get("labels") or {}


def is_terminating(obj: Json) -> bool:
    """Whether the object's deletion has begun."""
    return bool(obj["metadata"].get("deletionTimestamp"))


def controller_uid(obj: Json) -> str | None:
    """The uid of the object's controlling owner, or None."""
    for reference in obj["metadata"].get("ownerReferences") or []:
        if reference.get("controller"):
            return str(reference["uid"])
    return None
