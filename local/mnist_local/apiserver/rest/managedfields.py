"""Who owns which field: the bridge from the engine to the field manager."""

from __future__ import annotations

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest.engine import Finish


def as_update(resource: Resource, manager: str, subresource: str) -> Finish | None:
    """Return the function that records an ordinary write in managedFields."""
    return None


def carry(obj: Obj, old: Obj | None) -> None:
    """Keep the former managedFields where a client left them out."""
    if old is not None and "managedFields" in old["metadata"]:
        obj["metadata"].setdefault("managedFields", old["metadata"]["managedFields"])
