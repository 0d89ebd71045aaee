"""Rules for `metadata` that hold for every kind."""

from __future__ import annotations

from typing import Any

from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest import names
from mnist_local.apiserver.schema import errors as field
from mnist_local.apiserver.schema.errors import FieldError

_ANNOTATION_BYTES = 256 * 1024
_GARBAGE_FINALIZERS = frozenset({"orphan", "foregroundDeletion"})
_STANDARD_FINALIZERS = _GARBAGE_FINALIZERS | {"kubernetes"}


def validate_create(resource: Resource, metadata: Obj) -> list[FieldError]:
    """Check a new object's metadata; names were generated before."""
    causes: list[FieldError] = []
    check = names.check_of(resource.table_name)
    name = metadata.get("name", "")
    if generate := metadata.get("generateName"):
        # What stands before the random part may end in a hyphen.
        causes += [
            field.invalid("metadata.generateName", generate, text) for text in check(generate.rstrip("-") or generate)
        ]
    if not name:
        causes.append(field.required("metadata.name", "name or generateName is required"))
    else:
        causes += [field.invalid("metadata.name", name, text) for text in check(name)]
    causes += _common(metadata)
    causes += _finalizers(resource, metadata.get("finalizers") or [])
    return causes


def validate_update(resource: Resource, metadata: Obj, old: Obj) -> list[FieldError]:
    """Check the metadata of a changed object against what it was."""
    causes: list[FieldError] = []
    if "deletionTimestamp" in old:
        extra = sorted(set(metadata.get("finalizers") or []) - set(old.get("finalizers") or []))
        if extra:
            shown = ", ".join(f'"{name}"' for name in extra)
            causes.append(
                field.forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, found new finalizers "
                    f"[]string{{{shown}}}",
                )
            )
    causes += [
        field.invalid(f"metadata.{name}", metadata.get(name), "field is immutable")
        for name in ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")
        if metadata.get(name) != old.get(name)
    ]
    if metadata.get("finalizers") != old.get("finalizers"):
        causes += _finalizers(resource, metadata.get("finalizers") or [])
    causes += _common(metadata)
    return causes


def _common(metadata: Obj) -> list[FieldError]:
    causes: list[FieldError] = []
    for key, value in (metadata.get("labels") or {}).items():
        causes += [field.invalid("metadata.labels", key, text) for text in names.qualified_name(key)]
        causes += [field.invalid("metadata.labels", value, text) for text in names.label_value(value)]
    if annotations := metadata.get("annotations"):
        for key in annotations:
            causes += [field.invalid("metadata.annotations", key, text) for text in names.qualified_name(key.lower())]
        if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATION_BYTES:
            causes.append(field.too_long("metadata.annotations", _ANNOTATION_BYTES))
    if references := metadata.get("ownerReferences"):
        causes += _owner_references(references)
    return causes


def _owner_references(references: list[dict[str, Any]]) -> list[FieldError]:
    causes: list[FieldError] = []
    controller = ""
    for reference in references:
        causes += [
            field.invalid(f"metadata.ownerReferences.{name}", "", "must not be empty")
            for name in ("apiVersion", "kind", "name", "uid")
            if not reference.get(name)
        ]
        if reference.get("apiVersion") == "v1" and reference.get("kind") == "Event":
            sentence = "/v1, Kind=Event is disallowed from being an owner"
            causes.append(field.invalid("metadata.ownerReferences", reference, sentence))
        if reference.get("controller"):
            this = f"{reference.get('kind')}/{reference.get('name')}"
            if controller:
                causes.append(
                    field.invalid(
                        "metadata.ownerReferences",
                        references,
                        'Only one reference can have Controller set to true. Found "true" in references for '
                        f"{controller} and {this}",
                    )
                )
            else:
                controller = this
    return causes


def _finalizers(resource: Resource, finalizers: list[str]) -> list[FieldError]:
    causes = [
        field.invalid("metadata.finalizers", name, text) for name in finalizers for text in names.qualified_name(name)
    ]
    if not resource.custom:
        causes += [
            field.invalid(
                f"metadata.finalizers[{index}]",
                name,
                "name is neither a standard finalizer name nor is it fully qualified",
            )
            for index, name in enumerate(finalizers)
            if "/" not in name and name not in _STANDARD_FINALIZERS
        ]
    if set(finalizers) >= _GARBAGE_FINALIZERS:
        causes.append(
            field.invalid(
                "metadata.finalizers",
                finalizers,
                "finalizer orphan and finalizer foregroundDeletion cannot be both set",
            )
        )
    return causes


def finalizer_warnings(metadata: Obj, old: Obj | None) -> list[str]:
    """Return the warnings for new finalizers of custom objects that no domain qualifies."""
    former = set((old or {}).get("finalizers") or ())
    out: list[str] = []
    for name in sorted(set(metadata.get("finalizers") or ()) - former):
        if "/" in name or name in _STANDARD_FINALIZERS:
            continue
        path = " including a path (/)" if "." in name else ""
        out.append(
            f'metadata.finalizers: "{name}": prefer a domain-qualified finalizer name{path} to avoid accidental '
            "conflicts with other finalizer writers"
        )
    return out
