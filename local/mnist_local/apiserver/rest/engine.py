"""Create and update on the store, for requests and for the server's own controllers alike."""

from __future__ import annotations

from collections.abc import Callable

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, Obj, already_exists, conflict, invalid, not_found
from mnist_local.apiserver.kinds import hooks_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest import deletion
from mnist_local.apiserver.rest import metadata as meta
from mnist_local.apiserver.rest.deletion import DeleteOptions
from mnist_local.apiserver.rest.writes import Write, admit, stored_as, unsaved, validate
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.store import Entry

_GENERATE_ATTEMPTS = 8

Finish = Callable[[Obj, Obj | None], Obj]
"""Gives a new or changed object (old is None on create) its managedFields."""


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

    def create(self, write: Write, obj: Obj, finish: Finish | None = None) -> Entry:
        """Store a new object.

        Raises:
            ApiError: 409 exists, 422 invalid, 403 refused, 404 no such namespace.
        """
        resource = write.resource
        metadata = obj["metadata"]
        version = metadata.pop("resourceVersion", None)
        generated = not metadata.get("name") and bool(metadata.get("generateName"))
        if generated:
            metadata["name"] = meta.generate_name(metadata["generateName"])
        meta.fill_on_create(obj)
        if resource.namespaced:
            metadata["namespace"] = write.namespace
        hooks = hooks_of(resource)
        if resource.has_status:
            obj.pop("status", None)
        if resource.has_generation:
            metadata["generation"] = 1
        if finish is not None:
            obj = finish(obj, None)
        admit(self.ctx.admission.mutating, "CREATE", write, obj, None)
        hooks.prepare_create(obj)
        validate(write, obj, None)
        admit(self.ctx.admission.validating, "CREATE", write, obj, None)
        if version not in (None, "", "0"):
            raise ApiError(500, "", "resourceVersion should not be set on objects to be created")
        obj = meta.order_keys(obj, stored_as(self.ctx, resource))
        key = self._free_key(write, obj, generated)
        if write.dry_run:
            return unsaved(key, obj)
        return self.ctx.store.put(self.ctx.table(resource), key, obj)

    def _free_key(self, write: Write, obj: Obj, generated: bool) -> tuple[str, str]:
        table = self.ctx.table(write.resource)
        metadata = obj["metadata"]
        for _ in range(_GENERATE_ATTEMPTS):
            key = (write.namespace if write.resource.namespaced else "", metadata["name"])
            if key not in table.objects:
                return key
            if not generated:
                break
            metadata["name"] = meta.generate_name(metadata["generateName"])
        raise already_exists(write.resource.group, write.resource.plural, metadata["name"])

    def update(self, write: Write, obj: Obj, entry: Entry, finish: Finish | None = None) -> Entry:
        """Replace an object, or only its status where the subresource is `status`; unchanged means not written.

        Raises:
            ApiError: 409 stale, 422 invalid, 403 refused.
        """
        resource, old = write.resource, entry.obj
        metadata = obj["metadata"]
        self._check_version(write, metadata, entry)
        meta.keep_on_update(obj, old)
        if resource.namespaced:
            metadata.setdefault("namespace", old["metadata"]["namespace"])
        hooks = hooks_of(resource)
        if write.subresource == "status":
            obj = _only_status(obj, old)
        elif resource.has_status:
            _keep_status(obj, old)
        if finish is not None:
            obj = finish(obj, old)
        admit(self.ctx.admission.mutating, "UPDATE", write, obj, old)
        if write.subresource != "status":
            hooks.prepare_update(obj, old)
            meta.bump_generation(resource, obj, old)
        validate(write, obj, old)
        admit(self.ctx.admission.validating, "UPDATE", write, obj, old)
        obj["metadata"]["resourceVersion"] = str(entry.rv)
        obj = meta.order_keys(obj, stored_as(self.ctx, resource))
        if deletion.ready_to_go(obj, old):
            if not write.dry_run and not hooks.keeps_on_delete(obj):
                self.ctx.store.remove(self.ctx.table(resource), entry.key)
                return unsaved(entry.key, obj, entry.rv)
        elif meta.same_but_times(obj, old):
            return entry
        if write.dry_run:
            return unsaved(entry.key, obj, entry.rv)
        return self.ctx.store.put(self.ctx.table(resource), entry.key, obj)

    def delete(self, write: Write, entry: Entry, options: DeleteOptions | None = None) -> tuple[Entry, bool]:
        """Delete an object or mark it for deletion; returns its state and whether it is gone.

        Raises:
            ApiError: 409 a precondition does not hold; 403 refused.
        """
        return deletion.delete(self.ctx, write, entry, options or DeleteOptions(propagation="Background"))

    def _check_version(self, write: Write, metadata: Obj, entry: Entry) -> None:
        resource, name = write.resource, entry.key[1]
        version = metadata.get("resourceVersion")
        if not version or version == "0":
            if not resource.unconditional_update:
                cause = fields.invalid("metadata.resourceVersion", 0, "must be specified for an update")
                raise invalid(resource.group, resource.plural, name, [cause])
        elif version != str(entry.rv):
            raise conflict(resource.group, resource.plural, name)


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
