"""Object metadata the server owns: system fields, names made from a prefix, generations."""

from __future__ import annotations

import random
import uuid
from typing import Any

from mnist_local.apiserver import clock
from mnist_local.apiserver.errors import Obj
from mnist_local.apiserver.resource import Resource

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_MAX_GENERATED_BASE = 58


def generate_name(base: str) -> str:
    """Return `base`, cut to 58 characters, with five random characters."""
    return base[:_MAX_GENERATED_BASE] + "".join(random.choices(_ALPHABET, k=5))


def fill_on_create(obj: Obj) -> None:
    """Set the fields that only the server sets on a new object."""
    metadata = obj["metadata"]
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"):
        metadata.pop(name, None)
    metadata["uid"] = str(uuid.uuid4())
    metadata["creationTimestamp"] = clock.now()


def keep_on_update(obj: Obj, old: Obj) -> None:
    """Carry over what an update cannot change, so that a client may leave it out."""
    metadata, former = obj["metadata"], old["metadata"]
    metadata.setdefault("uid", former["uid"])
    metadata["creationTimestamp"] = former["creationTimestamp"]
    metadata.pop("selfLink", None)
    for name in ("generation", *(("deletionTimestamp",) if "deletionTimestamp" in former else ())):
        _copy(metadata, former, name)
    if "deletionGracePeriodSeconds" in former:
        metadata.setdefault("deletionGracePeriodSeconds", former["deletionGracePeriodSeconds"])


def _copy(target: Obj, source: Obj, name: str) -> None:
    if name in source:
        target[name] = source[name]
    else:
        target.pop(name, None)


def bump_generation(resource: Resource, obj: Obj, old: Obj) -> None:
    """Count a change of the wished-for state: of `spec`, or for custom objects of all but metadata and status."""
    if not resource.has_generation:
        return
    if resource.custom:
        skipped = ("metadata", "status") if resource.has_status else ("metadata",)
        changed = _without(obj, skipped) != _without(old, skipped)
    else:
        changed = obj.get("spec") != old.get("spec")
    if changed:
        obj["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def _without(obj: Obj, skipped: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in obj.items() if key not in skipped}


def order_keys(obj: Obj, resource: Resource) -> Obj:
    """Return the object with `kind`, `apiVersion` and `metadata` first, as the store keeps it."""
    ordered: Obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": obj["metadata"]}
    for key, value in obj.items():
        if key not in ordered:
            ordered[key] = value
    return ordered


def same_but_times(obj: Obj, old: Obj) -> bool:
    """Tell whether a write changes nothing, or nothing but the times in managedFields (which is no change)."""
    if obj == old:
        return True
    if _without(obj, ("metadata",)) != _without(old, ("metadata",)):
        return False
    metadata, former = obj["metadata"], old["metadata"]
    return _without(metadata, ("managedFields",)) == _without(former, ("managedFields",)) and [
        _without(entry, ("time",)) for entry in metadata.get("managedFields", ())
    ] == [_without(entry, ("time",)) for entry in former.get("managedFields", ())]
