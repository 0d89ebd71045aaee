"""create, update, delete and deletecollection."""

from __future__ import annotations

from aiohttp import web

from mnist_local.apiserver.auth.authorizer import require_create
from mnist_local.apiserver.call import Call, dry_run_of, require_object
from mnist_local.apiserver.codec import decode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, bad_request, conflict, invalid, not_found, not_supported
from mnist_local.apiserver.handlers.read import selection_of
from mnist_local.apiserver.handlers.responses import entry_response, list_response, object_response
from mnist_local.apiserver.rest import managedfields
from mnist_local.apiserver.rest.decoding import accept, check_identity, duplicate_fields
from mnist_local.apiserver.rest.deletion import DeleteOptions
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.rest.writes import Write
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.store import Entry


def write_of(call: Call, dry_run: bool) -> Write:
    """Return the engine's description of this request."""
    return Write(
        resource=call.resource,
        namespace=call.info.namespace if call.resource.namespaced else "",
        name=call.info.name,
        user=call.user,
        subresource=call.info.subresource,
        dry_run=dry_run,
        warnings=call.warnings,
    )


def body_of(call: Call, level: str) -> Obj:
    """Return the body as an object of the resource's kind, in the stored version.

    Raises:
        ApiError: 400 or 415.
    """
    content_type = call.headers.get("Content-Type", "")
    obj = require_object(decode(call.body, content_type, call.resource.kind), call)
    # A second parse only to find repeated keys is left to clients that ask for a level.
    twice = duplicate_fields(call.body) if "fieldValidation" in call.query and level != "Ignore" else None
    obj = accept(call, obj, level, twice=twice)
    check_identity(call, obj)
    return obj


def create(ctx: Context, call: Call) -> web.Response:
    """Answer a create."""
    options = call.write_options("CreateOptions")
    obj = body_of(call, options.field_validation)
    finish = managedfields.as_update(call.resource, options.manager, "")
    entry = Engine(ctx).create(write_of(call, options.dry_run), obj, finish)
    return entry_response(call, entry, 201)


def update(ctx: Context, call: Call) -> web.Response:
    """Answer an update of an object or its status."""
    options = call.write_options("UpdateOptions")
    obj = body_of(call, options.field_validation)
    engine = Engine(ctx)
    write = write_of(call, options.dry_run)
    finish = managedfields.as_update(call.resource, options.manager, write.subresource)
    entry = ctx.table(call.resource).get(write.namespace, write.name)
    if entry is None:
        if call.resource.create_on_update and not write.subresource and not obj["metadata"].get("resourceVersion"):
            require_create(ctx, call)
            return entry_response(call, engine.create(write, obj, finish), 201)
        raise not_found(call.resource.group, call.resource.plural, write.name)
    if (uid := obj["metadata"].get("uid")) and uid != entry.obj["metadata"]["uid"]:
        found = entry.obj["metadata"]["uid"]
        why = (
            f"StorageError: invalid object, Code: 4, Key: {_storage_key(call)}, ResourceVersion: 0, "
            f"AdditionalErrorMsg: Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
        )
        raise conflict(call.resource.group, call.resource.plural, write.name, why)
    return entry_response(call, engine.update(write, obj, entry, finish))


def _storage_key(call: Call) -> str:
    resource = call.resource
    group = f"{resource.group}/" if resource.custom else ""
    namespace = f"{call.info.namespace}/" if resource.namespaced else ""
    return f"/registry/{group}{resource.plural}/{namespace}{call.info.name}"


def delete_options(call: Call) -> tuple[DeleteOptions, bool]:
    """Read the options of a delete from body and query; returns them and whether it is a dry run.

    Raises:
        ApiError: 400 or 422.
    """
    body: Obj = {}
    if call.body:
        body = require_object(decode(call.body, call.headers.get("Content-Type", ""), "DeleteOptions"), call)
    options = DeleteOptions()
    query = call.query
    options.propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or None
    if options.propagation not in (None, "Background", "Foreground", "Orphan"):
        allowed = ("Foreground", "Background", "Orphan", "nil")
        cause = fields.not_supported("propagationPolicy", options.propagation, allowed)
        raise invalid("meta.k8s.io", "DeleteOptions", "", [cause])
    orphan = body.get("orphanDependents")
    if orphan is None and "orphanDependents" in query:
        orphan = call.flag("orphanDependents")
    if orphan is not None and options.propagation is None:
        options.propagation = "Orphan" if orphan else "Background"
    grace = body.get("gracePeriodSeconds")
    if grace is None and query.get("gracePeriodSeconds"):
        try:
            grace = int(query["gracePeriodSeconds"])
        except ValueError:
            raise bad_request(f'invalid gracePeriodSeconds "{query["gracePeriodSeconds"]}"') from None
    options.grace_period = grace
    preconditions = body.get("preconditions") or {}
    options.uid = preconditions.get("uid")
    options.resource_version = preconditions.get("resourceVersion")
    values = body.get("dryRun")
    if values is None:
        values = [query["dryRun"]] if query.get("dryRun") else []
    return options, dry_run_of(values, "DeleteOptions")


def delete(ctx: Context, call: Call) -> web.Response:
    """Answer a delete of one object."""
    if call.info.subresource:
        raise not_supported(call.resource.group, call.resource.plural, "delete")
    options, dry_run = delete_options(call)
    engine = Engine(ctx)
    write = write_of(call, dry_run)
    entry = engine.require(call.resource, write.namespace, write.name)
    entry, gone = engine.delete(write, entry, options)
    if not gone or call.resource.returns_deleted:
        return entry_response(call, entry)
    details: Obj = {"name": write.name}
    if call.resource.group:
        details["group"] = call.resource.group
    details |= {"kind": call.resource.plural, "uid": entry.obj["metadata"]["uid"]}
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return object_response(status, 200, call.warnings)


def delete_collection(ctx: Context, call: Call) -> web.Response:
    """Answer a delete of all selected objects; returns what was deleted as a list."""
    options, dry_run = delete_options(call)
    match = selection_of(call)
    engine = Engine(ctx)
    write = write_of(call, dry_run)
    namespace = write.namespace if call.resource.namespaced else None
    entries = [e for e in ctx.table(call.resource).select(namespace) if match is None or match(e.obj)]
    deleted: list[Entry] = [engine.delete(write, entry, options)[0] for entry in entries]
    return list_response(call, deleted, {"resourceVersion": str(ctx.store.rv)})
