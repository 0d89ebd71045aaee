"""Create, update and delete on the store, for requests and for the server's own controllers alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mnist_local.apiserver import clock
from mnist_local.apiserver.call import SYSTEM, User
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import (
    Cause,
    Obj,
    already_exists,
    bad_request,
    conflict,
    invalid,
    not_found,
)
from mnist_local.apiserver.kinds import hooks_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest import metadata as meta
from mnist_local.apiserver.store import Entry

_GENERATE_ATTEMPTS = 8


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


@dataclass(slots=True)
class DeleteOptions:
    """The parts of `metav1.DeleteOptions` that change what a delete does."""

    propagation: str | None = None
    grace_period: int | None = None
    uid: str | None = None
    resource_version: str | None = None


class Engine:
    """The writes of one server."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx

    def require(self, resource: Resource, namespace: str, name: str) -> Entry:
        """Return a stored object.

        Raises:
            ApiError: 404.
        """
        entry = self.ctx.table(resource).get(namespace, name)
        if entry is None:
            raise not_found(resource.group, resource.plural, name)
        return entry

    def create(self, write: Write, obj: Obj, finish: Callable[[Obj, Obj | None], Obj] | None = None) -> Entry:
        """Store a new object; `finish(obj, None)` gives it its managedFields.

        Raises:
            ApiError: 409 exists, 422 invalid, 403 refused, 404 no such namespace.
        """
        resource = write.resource
        metadata = obj["metadata"]
        generated = not metadata.get("name") and bool(metadata.get("generateName"))
        if generated:
            metadata["name"] = meta.generate_name(metadata["generateName"])
        if metadata.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        meta.fill_on_create(obj)
        if resource.namespaced:
            metadata["namespace"] = write.namespace
        else:
            metadata.pop("namespace", None)
        if resource.has_generation:
            metadata["generation"] = 1
        hooks = hooks_of(resource.table_name)
        if resource.custom and resource.has_status:
            obj.pop("status", None)
        hooks.prepare_create(obj)
        self._admit(write, obj, None)
        self._validate(write, obj, None)
        if finish is not None:
            obj = finish(obj, None)
        table = self.ctx.table(resource)
        for _ in range(_GENERATE_ATTEMPTS):
            key = (write.namespace if resource.namespaced else "", obj["metadata"]["name"])
            if key not in table.objects:
                break
            if not generated:
                raise already_exists(resource.group, resource.plural, key[1])
            obj["metadata"]["name"] = meta.generate_name(obj["metadata"]["generateName"])
        else:
            raise already_exists(resource.group, resource.plural, key[1])
        obj = meta.order_keys(obj, self._stored_as(resource))
        if write.dry_run:
            return _unsaved(key, obj)
        return self.ctx.store.put(table, key, obj)

    def update(
        self, write: Write, obj: Obj, entry: Entry, finish: Callable[[Obj, Obj | None], Obj] | None = None
    ) -> Entry:
        """Replace an object, or only its status where the subresource is `status`; unchanged means not written.

        Raises:
            ApiError: 409 stale, 422 invalid, 403 refused.
        """
        resource, old = write.resource, entry.obj
        metadata = obj["metadata"]
        self._check_version(write, metadata, entry)
        meta.keep_on_update(obj, old)
        if resource.namespaced:
            metadata["namespace"] = old["metadata"]["namespace"]
        if write.subresource == "status":
            obj = _only_status(obj, old)
        elif resource.has_status:
            _keep_status(obj, old)
        hooks = hooks_of(resource.table_name)
        hooks.prepare_update(obj, old)
        meta.bump_generation(resource, obj, old)
        self._admit(write, obj, old)
        self._validate(write, obj, old)
        if finish is not None:
            obj = finish(obj, old)
        obj["metadata"]["resourceVersion"] = str(entry.rv)
        obj = meta.order_keys(obj, self._stored_as(resource))
        if obj == old:
            return entry
        if write.dry_run:
            return _unsaved(entry.key, obj, entry.rv)
        table = self.ctx.table(resource)
        if _ready_to_go(obj):
            self.ctx.store.remove(table, entry.key)
            return _unsaved(entry.key, obj, entry.rv)
        return self.ctx.store.put(table, entry.key, obj)

    def delete(self, write: Write, entry: Entry, options: DeleteOptions) -> tuple[Entry, bool]:
        """Delete an object or mark it for deletion; returns its state and whether it is gone.

        Raises:
            ApiError: 409 a precondition does not hold.
        """
        self._check_preconditions(write, entry, options)
        self._admit(write, None, entry.obj)
        obj = entry.copy()
        metadata = obj["metadata"]
        finalizers = [f for f in metadata.get("finalizers", []) if f not in ("foregroundDeletion", "orphan")]
        if options.propagation == "Foreground":
            finalizers.append("foregroundDeletion")
        elif options.propagation == "Orphan":
            finalizers.append("orphan")
        elif options.propagation is None:
            finalizers = list(metadata.get("finalizers", []))
        grace = self._grace_period(write.resource, obj, options)
        if not finalizers and not grace:
            if write.dry_run:
                return entry, True
            return self.ctx.store.remove(self.ctx.table(write.resource), entry.key), True
        if finalizers:
            metadata["finalizers"] = finalizers
        if "deletionTimestamp" not in metadata:
            metadata["deletionTimestamp"] = clock.after(grace)
            metadata["deletionGracePeriodSeconds"] = grace
            if metadata.get("generation"):
                metadata["generation"] += 1
        elif grace < metadata.get("deletionGracePeriodSeconds", 0):
            metadata["deletionTimestamp"] = clock.after(grace)
            metadata["deletionGracePeriodSeconds"] = grace
        if obj == entry.obj:
            return entry, False
        if write.dry_run:
            return _unsaved(entry.key, obj, entry.rv), False
        return self.ctx.store.put(self.ctx.table(write.resource), entry.key, obj), False

    def _grace_period(self, resource: Resource, obj: Obj, options: DeleteOptions) -> int:
        if resource.table_name != "pods":
            return 0
        spec = obj.get("spec", {})
        if not spec.get("nodeName") or obj.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            return 0
        if options.grace_period is not None:
            return options.grace_period if options.grace_period >= 0 else 1
        return int(spec.get("terminationGracePeriodSeconds", 30))

    def _check_preconditions(self, write: Write, entry: Entry, options: DeleteOptions) -> None:
        resource, metadata = write.resource, entry.obj["metadata"]
        if options.uid is not None and options.uid != metadata["uid"]:
            why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {metadata['uid']}"
            raise conflict(resource.group, resource.plural, entry.key[1], why)
        if options.resource_version is not None and options.resource_version != metadata["resourceVersion"]:
            why = (
                f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
                f"ResourceVersion in object meta: {metadata['resourceVersion']}"
            )
            raise conflict(resource.group, resource.plural, entry.key[1], why)

    def _check_version(self, write: Write, metadata: Obj, entry: Entry) -> None:
        resource, name = write.resource, entry.key[1]
        version = metadata.get("resourceVersion")
        if not version or version == "0":
            if not resource.unconditional_update:
                cause = Cause("FieldValueInvalid", "Invalid value: 0: must be specified for an update")
                raise invalid(
                    resource.group, resource.kind, name, [Cause(cause.reason, cause.message, "metadata.resourceVersion")]
                )
        elif version != str(entry.rv):
            raise conflict(resource.group, resource.plural, name)

    def _admit(self, write: Write, obj: Obj | None, old: Obj | None) -> None:
        """Run admission."""

    def _validate(self, write: Write, obj: Obj, old: Obj | None) -> None:
        causes = hooks_of(write.resource.table_name).validate(obj, old)
        if causes:
            raise invalid(write.resource.group, write.resource.kind, obj["metadata"].get("name", ""), causes)

    def _stored_as(self, resource: Resource) -> Resource:
        if resource.to_storage is None:
            return resource
        return next(
            other
            for other in self.ctx.registry
            if other.table_name == resource.table_name and other.to_storage is None
        )


def _only_status(obj: Obj, old: Obj) -> Obj:
    """Return the old object with the new one's status (and managedFields, which a status write may own)."""
    out = {key: value for key, value in old.items() if key != "status"}
    out["metadata"] = dict(old["metadata"])
    if "managedFields" in obj["metadata"]:
        out["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
    if "status" in obj:
        out["status"] = obj["status"]
    return out


def _keep_status(obj: Obj, old: Obj) -> None:
    if "status" in old:
        obj["status"] = old["status"]
    else:
        obj.pop("status", None)


def _ready_to_go(obj: Obj) -> bool:
    metadata = obj["metadata"]
    return (
        "deletionTimestamp" in metadata
        and not metadata.get("finalizers")
        and not metadata.get("deletionGracePeriodSeconds")
    )


def _unsaved(key: tuple[str, str], obj: Obj, rv: int = 0) -> Entry:
    from mnist_local.apiserver.codec import encode

    return Entry(key, obj, encode(obj), rv)
