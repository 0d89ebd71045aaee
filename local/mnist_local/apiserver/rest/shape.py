"""The shape of `metadata` in what a client sent: its types, and the fields nobody knows."""

from __future__ import annotations

from typing import Any

from mnist_local.apiserver.bodies import UndecodableError, go_type
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource

_FIELDS: dict[str, type] = {
    "name": str,
    "generateName": str,
    "namespace": str,
    "selfLink": str,
    "uid": str,
    "resourceVersion": str,
    "generation": int,
    "creationTimestamp": str,
    "deletionTimestamp": str,
    "deletionGracePeriodSeconds": int,
    "labels": dict,
    "annotations": dict,
    "ownerReferences": list,
    "finalizers": list,
    "managedFields": list,
}
_REFERENCE = frozenset({"apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"})
_GO = {str: "string", int: "int64", dict: "map[string]string", list: "[]"}


def clean_metadata(obj: Obj, kind: Resource) -> list[str]:
    """Drop null and unknown fields of `metadata`, in place; returns the paths of the unknown ones.

    Raises:
        UndecodableError: a field has another type than Kubernetes gives it.
    """
    metadata = obj["metadata"]
    unknown: list[str] = []
    for name in list(metadata):
        value = metadata[name]
        expected = _FIELDS.get(name)
        if expected is None:
            unknown.append(f"metadata.{name}")
            del metadata[name]
        elif value is None or value in ("", {}, []):
            # Zero values are not kept by the real server's types either.
            del metadata[name]
        elif not isinstance(value, expected) or isinstance(value, bool):
            raise _mismatch(kind, name, value)
    _strings(metadata, kind)
    for index, reference in enumerate(metadata.get("ownerReferences", ())):
        if not isinstance(reference, dict):
            raise _mismatch(kind, "ownerReferences", reference)
        for name in [key for key in reference if key not in _REFERENCE]:
            unknown.append(f"metadata.ownerReferences[{index}].{name}")
            del reference[name]
    return unknown


def _strings(metadata: Obj, kind: Resource) -> None:
    for name in ("labels", "annotations"):
        if found := metadata.get(name):
            for key, value in found.items():
                if value is None:
                    found[key] = ""
                elif not isinstance(value, str):
                    raise _mismatch(kind, name, value)
    for value in metadata.get("finalizers", ()):
        if not isinstance(value, str):
            raise _mismatch(kind, "finalizers", value)


def _mismatch(kind: Resource, name: str, value: Any) -> UndecodableError:
    want = "string" if name in ("labels", "annotations", "finalizers") else _GO.get(_FIELDS[name], "")
    where = "ObjectMeta" if kind.custom else "ObjectMeta.metadata"
    return UndecodableError(
        f"json: cannot unmarshal {go_type(value)} into Go struct field {where}.{name} of type {want}"
    )
