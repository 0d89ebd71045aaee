"""What every write is made of: who writes what, and the checks around it."""

from __future__ import annotations

from dataclasses import dataclass, field

from mnist_local.apiserver.call import SYSTEM, User
from mnist_local.apiserver.codec import encode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, invalid
from mnist_local.apiserver.kinds import hooks_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest import objectmeta
from mnist_local.apiserver.rest.admission import Attributes, Plugin
from mnist_local.apiserver.schema.errors import FieldError
from mnist_local.apiserver.store import Entry, Key


@dataclass(slots=True)
class Write:
    """Who writes what, and how."""

    resource: Resource
    namespace: str
    name: str
    user: User = SYSTEM
    subresource: str = ""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)


def admit(plugins: list[Plugin], operation: str, write: Write, obj: Obj | None, old: Obj | None) -> None:
    """Run admission plugins over a write.

    Raises:
        ApiError: a plugin refuses.
    """
    if not plugins:
        return
    name = write.name or (obj or {}).get("metadata", {}).get("name", "")
    attributes = Attributes(
        operation, write.resource, write.subresource, write.namespace, name, write.user, obj, old,
        write.dry_run, write.warnings,
    )  # fmt: skip
    for plugin in plugins:
        plugin(attributes)


def validate(write: Write, obj: Obj, old: Obj | None) -> None:
    """Check metadata, schema and the rules of the kind.

    Raises:
        ApiError: 422 with every cause.
    """
    resource = write.resource
    metadata = obj["metadata"]
    former = old["metadata"] if old is not None else None
    causes: list[FieldError] = (
        objectmeta.validate_update(resource, metadata, former)
        if former is not None
        else objectmeta.validate_create(resource, metadata)
    )
    if resource.custom and resource.schema is not None:
        causes += resource.schema.validate(obj, old, subresource=write.subresource)
    if not resource.custom:
        causes += hooks_of(resource).validate(obj, old)
    if causes:
        raise invalid(resource.group, resource.kind, metadata.get("name", ""), causes)
    if resource.custom:
        write.warnings += objectmeta.finalizer_warnings(metadata, former)


def stored_as(ctx: Context, resource: Resource) -> Resource:
    """Return the version of a resource that the store keeps."""
    if resource.to_storage is None:
        return resource
    for other in ctx.registry:
        if other.table_name == resource.table_name and other.to_storage is None:
            return other
    # The storage version need not be served; what is served still is stored under its name.
    kept = resource.to_storage({"metadata": {}})
    group, _, version = kept["apiVersion"].rpartition("/")
    from dataclasses import replace

    return replace(resource, group=group, version=version, to_storage=None, from_storage=None)


def unsaved(key: Key, obj: Obj, rv: int = 0) -> Entry:
    """Return an entry that is shown but not stored."""
    return Entry(key, obj, encode(obj), rv)
