"""The server's state, and the writes on it: create, update and delete, for requests and for controllers alike."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from mnist_kube.times import after, timestamp
from mnist_local.apiserver import objectmeta
from mnist_local.apiserver.admission import Admission
from mnist_local.apiserver.errors import Obj, already_exists, bad_request, conflict, invalid, not_found
from mnist_local.apiserver.kinds import hooks_of, schema_for
from mnist_local.apiserver.objectmeta import FOREGROUND, ORPHAN
from mnist_local.apiserver.patch import TypedError, update_managed_fields
from mnist_local.apiserver.rbac import Authorizer
from mnist_local.apiserver.request import Write
from mnist_local.apiserver.resource import Registry, Resource
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.store import Entry, Store, Table


@dataclass(slots=True)
class DeleteOptions:
    """The parts of `metav1.DeleteOptions` that change what a delete does."""

    propagation: str | None = None
    grace_period: int | None = None
    uid: str | None = None
    resource_version: str | None = None


@dataclass(slots=True)
class Engine:
    """One server: its state, and the writes on it."""

    store: Store = field(default_factory=Store)
    registry: Registry = field(default_factory=Registry)
    authorizer: Authorizer = field(init=False)
    admission: Admission = field(init=False)
    pod_log_dir: Path | None = None
    ca_pem: str = ""
    stopping: bool = False
    wakes: set[asyncio.Event] = field(default_factory=set)
    """What open streams wait for; set when the server stops."""

    def __post_init__(self) -> None:
        self.authorizer = Authorizer(self.store)
        self.admission = Admission(self.store, self.authorizer)

    def stop(self) -> None:
        self.stopping = True
        for wake in tuple(self.wakes):
            wake.set()

    def table(self, resource: Resource) -> Table:
        return self.store.table(resource.table_name)

    def require(self, resource: Resource, namespace: str, name: str) -> Entry:
        entry = self.table(resource).get(namespace if resource.namespaced else "", name)
        if entry is None:
            raise not_found(resource.group, resource.plural, name)
        return entry

    def create(self, write: Write, obj: Obj) -> Entry:
        """Store a new object.

        Raises:
            ApiError: 409 exists, 422 invalid, 403 refused, 404 no such namespace.
        """
        resource, metadata = write.resource, obj["metadata"]
        if metadata.get("resourceVersion", "0") != "0":
            raise bad_request("resourceVersion should not be set on objects to be created")
        objectmeta.fill_on_create(resource, obj, write.namespace)
        obj.setdefault("kind", resource.kind)
        obj.setdefault("apiVersion", resource.api_version)
        if resource.has_status:
            obj.pop("status", None)
        _own(write, obj, None)
        self.admission.mutate(write, obj, None)
        hooks_of(resource).prepare_create(obj)
        _validate(write, obj, None)
        self.admission.validate(write, obj, None)
        key, table = (metadata.get("namespace", ""), metadata["name"]), self.table(resource)
        if key in table.objects:
            raise already_exists(resource.group, resource.plural, metadata["name"])
        if write.dry_run:
            return _unsaved(key, objectmeta.in_order(obj))
        return self.store.put(table, key, objectmeta.in_order(obj))

    def update(self, write: Write, obj: Obj, entry: Entry) -> Entry:
        """Replace an object, or only its status where the subresource is `status`; unchanged means not written.

        Raises:
            ApiError: 409 stale, 422 invalid, 403 refused.
        """
        resource, old, hooks = write.resource, entry.obj, hooks_of(write.resource)
        _check_version(write, obj["metadata"], entry)
        objectmeta.keep_on_update(obj, old)
        if write.subresource == "status":
            obj = _only_status(obj, old)
        elif resource.has_status:
            obj = {**obj, "status": old.get("status")}
            if obj["status"] is None:
                del obj["status"]
        _own(write, obj, old)
        self.admission.mutate(write, obj, old)
        if write.subresource != "status":
            hooks.prepare_update(obj, old)
            objectmeta.bump_generation(resource, obj, old)
        _validate(write, obj, old)
        self.admission.validate(write, obj, old)
        obj["metadata"]["resourceVersion"] = str(entry.rv)
        obj, table = objectmeta.in_order(obj), self.table(resource)
        if _may_go(obj, old) and not hooks.keeps_on_delete(obj) and not write.dry_run:
            self.store.remove(table, entry.key)
            return _unsaved(entry.key, obj, entry.rv)
        if objectmeta.is_same(obj, old):
            return entry
        return _unsaved(entry.key, obj, entry.rv) if write.dry_run else self.store.put(table, entry.key, obj)

    def delete(self, write: Write, entry: Entry, options: DeleteOptions) -> tuple[Entry, bool]:
        """Delete an object or mark it for deletion; returns its state and whether it is gone.

        Raises:
            ApiError: 409 a precondition does not hold; 403 refused.
        """
        _check_preconditions(write.resource, entry, options)
        self.admission.validate(write, None, entry.obj)
        hooks, table, obj = hooks_of(write.resource), self.table(write.resource), entry.copy()
        metadata = obj["metadata"]
        finalizers = _finalizers(metadata, options.propagation or hooks.default_propagation)
        grace, fresh = hooks.grace_period(obj, options.grace_period), "deletionTimestamp" not in metadata
        if fresh:
            finalizers += [name for name in hooks.begin_delete(obj) if name not in finalizers]
        else:
            grace = min(grace, metadata.get("deletionGracePeriodSeconds", 0))
        if not finalizers and not grace and not hooks.keeps_on_delete(obj):
            return (entry if write.dry_run else self.store.remove(table, entry.key)), True
        metadata["finalizers"] = finalizers
        if not finalizers:
            del metadata["finalizers"]
        if fresh and metadata.get("generation"):
            metadata["generation"] += 1
        if fresh or grace < metadata.get("deletionGracePeriodSeconds", 0):
            metadata["deletionTimestamp"], metadata["deletionGracePeriodSeconds"] = (
                timestamp(after(grace)),
                grace,
            )
        if obj == entry.obj or write.dry_run:
            return _unsaved(entry.key, obj, entry.rv), False
        return self.store.put(table, entry.key, obj), False


def _own(write: Write, obj: Obj, old: Obj | None) -> None:
    schema, view = schema_for(write.resource), write.resource.from_storage
    if not write.manager:
        return
    seen, former = (obj, old) if view is None else (view(obj), None if old is None else view(old))
    try:
        managed = update_managed_fields(schema, former, seen, write.manager, subresource=write.subresource)
    except TypedError:
        return  # what does not fit its type is refused by validation, which says so better
    obj["metadata"]["managedFields"] = managed
    if not managed:
        del obj["metadata"]["managedFields"]


def _validate(write: Write, obj: Obj, old: Obj | None) -> None:
    resource, metadata = write.resource, obj["metadata"]
    causes = objectmeta.check(resource, metadata, old["metadata"] if old is not None else None)
    if resource.custom:
        causes += resource.schema.validate(obj, old, subresource=write.subresource)
    if not resource.custom:
        causes += hooks_of(resource).validate(obj, old)
    if causes:
        raise invalid(resource.group, resource.kind, metadata.get("name", ""), causes)


def _check_version(write: Write, metadata: Obj, entry: Entry) -> None:
    resource, version = write.resource, metadata.get("resourceVersion")
    if (not version or version == "0") and not resource.unconditional_update:
        cause = fields.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(resource.group, resource.plural, entry.key[1], [cause])
    if version and version not in ("0", str(entry.rv)):
        raise conflict(resource.group, resource.plural, entry.key[1])


def _only_status(obj: Obj, old: Obj) -> Obj:
    out = {**{key: value for key, value in old.items() if key != "status"}, "metadata": dict(old["metadata"])}
    if "managedFields" in obj["metadata"]:
        out["metadata"]["managedFields"] = obj["metadata"]["managedFields"]
    if "status" in obj:
        out["status"] = obj["status"]
    return out


def _may_go(obj: Obj, old: Obj) -> bool:
    former = old["metadata"]
    is_waiting = "deletionTimestamp" in former and not former.get("deletionGracePeriodSeconds")
    return is_waiting and not obj["metadata"].get("finalizers")


def _finalizers(metadata: Obj, propagation: str | None) -> list[str]:
    present = list(metadata.get("finalizers") or ())
    if propagation is None:
        return present
    kept = [name for name in present if name not in (FOREGROUND, ORPHAN)]
    return kept + {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(propagation, [])


def _check_preconditions(resource: Resource, entry: Entry, options: DeleteOptions) -> None:
    metadata = entry.obj["metadata"]
    for what, key, wanted in (("UID", "uid", options.uid), ("version", "resourceVersion", options.resource_version)):
        if wanted is not None and wanted != metadata[key]:
            why = f"the {what} in the precondition ({wanted}) does not match the {what} in record ({metadata[key]})"
            raise conflict(resource.group, resource.kind, entry.key[1], why)


def _unsaved(key: tuple[str, str], obj: Obj, rv: int = 0) -> Entry:
    return Entry(key, obj, orjson.dumps(obj), rv)
