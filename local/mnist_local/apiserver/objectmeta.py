"""`metadata`: the rules for names and labels, the shape of what a client sent, and what only the server sets."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable

from mnist_kube.times import timestamp
from mnist_local.apiserver.errors import Obj, UndecodableError
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.schema.builtin import object_meta
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.schema.objects import fill, prune_below, wrong_types

NameCheck = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = _LABEL + r"(\." + _LABEL + ")*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"


def _rule(pattern: str, limit: int, what: str) -> NameCheck:
    compiled = re.compile(pattern)

    def check(value: str) -> list[str]:
        out = [f"must be no more than {limit} characters"] if len(value) > limit else []
        if not compiled.fullmatch(value):
            out.append(f"must be {what} (regex used for validation is '{pattern}')")
        return out

    return check


dns_label = _rule(_LABEL, 63, "a lowercase RFC 1123 label")
dns_subdomain = _rule(_SUBDOMAIN, 253, "a lowercase RFC 1123 subdomain")
dns1035_label = _rule("[a-z]([-a-z0-9]*[a-z0-9])?", 63, "a DNS-1035 label")
label_value = _rule(f"({_QUALIFIED})?", 63, "a valid label or an empty string")
config_key = _rule(r"(?!\.\.)[-._a-zA-Z0-9]+", 253, "a valid config key")
_name_part = _rule(_QUALIFIED, 63, "a name")


def qualified_name(value: str) -> list[str]:
    """Check a label key, annotation key or finalizer: `[prefix/]name`."""
    prefix, slash, name = value.rpartition("/")
    out = ["the prefix " + text for text in dns_subdomain(prefix)] if slash else []
    return out + _name_part(name)


def _path_segment(value: str) -> list[str]:
    return [f"may not be '{value}'" for _ in "1" if value in (".", "..")] + [
        f"may not contain '{char}'" for char in "/%" if char in value
    ]


_RBAC = "rbac.authorization.k8s.io"
_CHECKS: dict[str, NameCheck] = {
    "namespaces": dns_label,
    "services": dns1035_label,
    **{
        f"{plural}.{_RBAC}": _path_segment
        for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    },
}


def check_of(table: str) -> NameCheck:
    """Return the check of a table's names; most are subdomains."""
    return _CHECKS.get(table, dns_subdomain)


FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
_IMMUTABLE = ("name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds")
_ANNOTATION_BYTES = 256 * 1024
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED_BASE = 58


def clean(obj: Obj) -> list[str]:
    """Drop empty and unknown fields of `metadata`, in place; returns the paths of the unknown ones.

    Raises:
        UndecodableError: a field has another type than Kubernetes gives it.
    """
    metadata, node = obj.get("metadata") or {}, object_meta()
    for path, wanted, _ in wrong_types(metadata, node, "metadata"):
        raise UndecodableError(f"{path}: must be of type {wanted}")
    fill(metadata, node)
    obj["metadata"] = {name: value for name, value in metadata.items() if value not in ("", {}, [])}
    unknown: list[str] = []
    prune_below(obj["metadata"], node, "metadata", unknown)
    return unknown


def generate_name(base: str) -> str:
    """Return `base`, cut to 58 characters, with five random characters."""
    return base[:_MAX_GENERATED_BASE] + "".join(random.choices(_ALPHABET, k=5))


def fill_on_create(resource: Resource, obj: Obj, namespace: str) -> None:
    """Set the fields that only the server sets on a new object."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"):
        metadata.pop(name, None)
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = generate_name(metadata["generateName"])
    if resource.namespaced:
        metadata["namespace"] = namespace
    if resource.has_generation:
        metadata["generation"] = 1
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = timestamp()


def keep_on_update(obj: Obj, old: Obj) -> None:
    """Carry over what an update cannot change, so that a client may leave it out."""
    metadata, former = obj["metadata"], old["metadata"]
    for name in ("creationTimestamp", "generation", "deletionTimestamp"):
        metadata.pop(name, None)
        if name in former:
            metadata[name] = former[name]
    metadata.pop("selfLink", None)
    for name in ("uid", "namespace", "deletionGracePeriodSeconds"):
        if name in former:
            metadata.setdefault(name, former[name])


def bump_generation(resource: Resource, obj: Obj, old: Obj) -> None:
    """Count a change of the desired state: of `spec`, or for custom objects of all but metadata and status."""
    if not resource.has_generation:
        return
    if resource.custom:
        skipped = ("metadata", "status") if resource.has_status else ("metadata",)
        changed = _without(obj, *skipped) != _without(old, *skipped)
    else:
        changed = obj.get("spec") != old.get("spec")
    if changed:
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _without(obj: Obj, *skipped: str) -> Obj:
    return {key: value for key, value in obj.items() if key not in skipped}


def in_order(obj: Obj) -> Obj:
    """Return the object with `kind`, `apiVersion` and `metadata` first, as the store keeps it."""
    return {key: obj[key] for key in ("kind", "apiVersion", "metadata")} | obj


def is_same(obj: Obj, old: Obj) -> bool:
    """Tell whether a write changes nothing, or nothing but the times in managedFields (which is no change)."""

    def seen(one: Obj) -> list[object]:
        metadata = one["metadata"]
        managed = [_without(entry, "time") for entry in metadata.get("managedFields", ())]
        return [_without(one, "metadata"), _without(metadata, "managedFields"), managed]

    return obj == old or seen(obj) == seen(old)


def check(resource: Resource, metadata: Obj, old: Obj | None) -> list[FieldError]:
    """Return which rules the metadata of a new or a changed object breaks."""
    causes: list[FieldError] = []
    rule = check_of(resource.table_name)
    if old is None:
        name, prefix = metadata.get("name", ""), metadata.get("generateName", "")
        if not name:
            causes.append(fields.required("metadata.name", "name or generateName is required"))
        else:
            causes += [fields.invalid("metadata.name", name, text) for text in rule(name)]
        if prefix:  # what stands before the random part may end in a hyphen
            causes += [
                fields.invalid("metadata.generateName", prefix, text) for text in rule(prefix.rstrip("-") or prefix)
            ]
    else:
        causes += [
            fields.invalid(f"metadata.{name}", metadata.get(name), "field is immutable")
            for name in _IMMUTABLE if metadata.get(name) != old.get(name)
        ]  # fmt: skip
    for key, value in (metadata.get("labels") or {}).items():
        causes += [fields.invalid("metadata.labels", key, text) for text in qualified_name(key)]
        causes += [fields.invalid("metadata.labels", value, text) for text in label_value(value)]
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        causes += [fields.invalid("metadata.annotations", key, text) for text in qualified_name(key.lower())]
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATION_BYTES:
        causes.append(fields.too_long("metadata.annotations", _ANNOTATION_BYTES))
    for reference in metadata.get("ownerReferences") or ():
        causes += [
            fields.invalid(f"metadata.ownerReferences.{name}", "", "must not be empty")
            for name in ("apiVersion", "kind", "name", "uid") if not reference.get(name)
        ]  # fmt: skip
    return causes + _check_finalizers(metadata.get("finalizers") or [], old)


def _check_finalizers(finalizers: list[str], old: Obj | None) -> list[FieldError]:
    former = (old or {}).get("finalizers") or []
    added = [name for name in finalizers if name not in former]
    if old is not None and "deletionTimestamp" in old and added:
        sentence = f"no new finalizers can be added if the object is being deleted, found new finalizers {added}"
        return [fields.forbidden("metadata.finalizers", sentence)]
    return [fields.invalid("metadata.finalizers", name, text) for name in added for text in qualified_name(name)]
