"""create, update, delete and deletecollection."""

from __future__ import annotations

from aiohttp import web

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.decoding import accept
from mnist_local.apiserver.engine import DeleteOptions, Engine
from mnist_local.apiserver.errors import Obj, bad_option, bad_request, conflict, not_found
from mnist_local.apiserver.rbac import Question
from mnist_local.apiserver.read import entry_response, json_response, list_response
from mnist_local.apiserver.request import Call, Write
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.selectors import selection

_PROPAGATIONS = ("Foreground", "Background", "Orphan")


def create(ctx: Context, call: Call) -> web.Response:
    """Answer a create."""
    write = call.write("CreateOptions")
    return entry_response(call, Engine(ctx).create(write, accept(call, call.obj())), 201)


def create_instead(ctx: Context, call: Call, write: Write, obj: Obj) -> web.Response:
    """Answer an update or a patch of what is not there by creating it, which the user must be allowed to.

    Raises:
        ApiError: 403, or why it cannot be created.
    """
    ctx.authorizer.require(call.user, Question.of(call.info, "create"))
    return entry_response(call, Engine(ctx).create(write, obj), 201)


def update(ctx: Context, call: Call) -> web.Response:
    """Answer an update of an object or its status."""
    write, obj, resource = call.write("UpdateOptions"), accept(call, call.obj()), call.resource
    entry, metadata = ctx.table(resource).get(write.namespace, write.name), obj["metadata"]
    if entry is None:
        if resource.create_on_update and not write.subresource and not metadata.get("resourceVersion"):
            return create_instead(ctx, call, write, obj)
        raise not_found(resource.group, resource.plural, write.name)
    uid = entry.obj["metadata"]["uid"]
    if metadata.get("uid", uid) != uid:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {uid}"
        raise conflict(resource.group, resource.plural, write.name, why)
    return entry_response(call, Engine(ctx).update(write, obj, entry))


def _delete_options(call: Call) -> tuple[DeleteOptions, Write]:
    """Read the options of a delete from body and query.

    Raises:
        ApiError: 400 or 422.
    """
    body = call.obj("DeleteOptions") if call.body else {}
    write = call.write("DeleteOptions", owned=False)
    write.dry_run = write.dry_run or body.get("dryRun") == ["All"]
    propagation = body.get("propagationPolicy") or call.query.get("propagationPolicy") or None
    if propagation not in (None, *_PROPAGATIONS):
        raise bad_option("DeleteOptions", fields.not_supported("propagationPolicy", propagation, _PROPAGATIONS))
    grace = body.get("gracePeriodSeconds", call.query.get("gracePeriodSeconds") or None)
    if grace is not None and not str(grace).isdigit():
        raise bad_request(f"invalid gracePeriodSeconds {grace!r}: it must be a number")
    wanted = body.get("preconditions") or {}
    seconds = None if grace is None else int(grace)
    return DeleteOptions(propagation, seconds, wanted.get("uid"), wanted.get("resourceVersion")), write


def delete(ctx: Context, call: Call) -> web.Response:
    """Answer a delete of one object."""
    options, write = _delete_options(call)
    engine, resource = Engine(ctx), call.resource
    entry, gone = engine.delete(write, engine.require(resource, write.namespace, write.name), options)
    if not gone or resource.returns_deleted:
        return entry_response(call, entry)
    details = {"name": write.name, "kind": resource.plural, "uid": entry.obj["metadata"]["uid"]}
    if resource.group:
        details["group"] = resource.group
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return json_response(status, 200, call.warnings)


def delete_collection(ctx: Context, call: Call) -> web.Response:
    """Answer a delete of all selected objects; returns what was deleted as a list."""
    options, write = _delete_options(call)
    match, engine = selection(call.resource, call.query), Engine(ctx)
    found = [e for e in ctx.table(call.resource).select(write.namespace or None) if match is None or match(e.obj)]
    deleted = [engine.delete(write, entry, options)[0] for entry in found]
    return list_response(call, deleted, {"resourceVersion": str(ctx.store.rv)})
