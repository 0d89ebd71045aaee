"""Stored objects as a version serves them, and as items of a list."""

from __future__ import annotations

from mnist_local.apiserver.codec import encode
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.store import Entry


def raw_of(resource: Resource, entry: Entry) -> bytes:
    """Return the JSON of an object at the resource's version, made once per stored version."""
    if resource.from_storage is None:
        return entry.raw
    if entry.views is None:
        entry.views = {}
    raw = entry.views.get(resource.api_version)
    if raw is None:
        raw = entry.views[resource.api_version] = encode(resource.from_storage(entry.obj))
    return raw


def obj_of(resource: Resource, entry: Entry) -> Obj:
    """Return the object at the resource's version; read only."""
    return entry.obj if resource.from_storage is None else resource.from_storage(entry.obj)


def item_of(resource: Resource, entry: Entry) -> bytes:
    """Return the JSON of an object inside a list; built-in kinds leave out `kind` and `apiVersion` there."""
    raw = raw_of(resource, entry)
    if resource.custom:
        return raw
    # The store keeps these two keys first, so the rest is a slice.
    start = raw.index(b'"metadata":')
    return b"{" + raw[start:]


def partial_of(entry: Entry) -> Obj:
    """Return only the metadata of an object."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": entry.obj["metadata"]}
