"""Tables: what `kubectl get` prints."""

from __future__ import annotations

from collections.abc import Iterable

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.store import Entry

_NAME = {
    "name": "Name", "type": "string", "format": "name", "priority": 0,
    "description": "Name must be unique within a namespace.",
}  # fmt: skip
_CREATED = {
    "name": "Created At", "type": "date", "format": "", "priority": 0,
    "description": "CreationTimestamp is the time this object was created.",
}  # fmt: skip


def table_of(resource: Resource, entries: Iterable[Entry], include: str) -> Obj:
    """Return a meta.k8s.io/v1 Table of objects; `include` is Object, Metadata or None."""
    rows = [
        {"cells": [e.key[1], e.obj["metadata"]["creationTimestamp"]], "object": _row_object(resource, e, include)}
        for e in entries
    ]
    return {
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [_NAME, _CREATED], "rows": rows,
    }  # fmt: skip


def _row_object(resource: Resource, entry: Entry, include: str) -> Obj | None:
    if include == "None":
        return None
    if include == "Object":
        return entry.obj if resource.from_storage is None else resource.from_storage(entry.obj)
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": entry.obj["metadata"]}
