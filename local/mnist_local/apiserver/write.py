"""create, update, delete and deletecollection; and what turns a body into an object that the engine takes."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from mnist_local.apiserver import objectmeta
from mnist_local.apiserver.engine import DeleteOptions, Engine
from mnist_local.apiserver.errors import Obj, UndecodableError, bad_option, bad_request, conflict, invalid, not_found
from mnist_local.apiserver.kinds import hooks_of, schema_for
from mnist_local.apiserver.read import entry_response, json_response, list_response
from mnist_local.apiserver.request import Call, Write
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.selectors import selection

_LEVELS = ("Ignore", "Strict", "Warn")


def accept(call: Call, obj: Obj, *, patched: bool = False) -> Obj:
    """Check identity, version and kind, drop unknown fields, set defaults and convert to the stored version.

    The query's `fieldValidation` says what unknown fields are: Strict refuses them, Warn adds a warning for each.

    Raises:
        ApiError: 400, another object, kind or type, or unknown fields (422 where they come from a patch).
    """
    resource = call.resource
    level = call.choice("PatchOptions" if patched else "CreateOptions", "fieldValidation", _LEVELS, "Warn")
    if resource.custom and call.info.subresource == "status":
        # Everything else is taken from the stored object, so it need not be looked at.
        obj = {key: obj[key] for key in ("apiVersion", "kind", "metadata", "status") if key in obj}
    check_kind(resource, obj)
    try:
        unknown = [f'unknown field "{path}"' for path in _fit(resource, obj)]
        if unknown and level == "Strict":
            raise UndecodableError("strict decoding error: " + ", ".join(unknown))
        if level == "Warn":
            call.warnings += unknown
        if resource.to_storage is not None:
            obj = resource.to_storage(obj)
        hooks_of(resource).default(obj)
    except UndecodableError as error:
        if patched:
            raise invalid("", "", "", [fields.invalid("patch", fields.OMIT, error.detail)]) from None
        why = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {error.detail}'
        raise bad_request(why) from None
    if resource.custom:
        resource.schema.default(obj)
    check_identity(call, obj["metadata"])
    return obj


def check_kind(resource: Resource, obj: Obj) -> None:
    """Check the version and kind that an object says it has; a built-in one need not say."""
    for name, value in (("apiVersion", resource.api_version), ("kind", resource.kind)):
        if not obj.get(name) and resource.custom:
            raise bad_request(
                f"the object provided is unrecognized (must be of type {resource.kind}): {name} is missing"
            )
        if obj.setdefault(name, value) != value:
            raise bad_request(f"{name} {obj[name]!r} of the object cannot be handled as a {resource.kind} ({value!r})")


def _fit(resource: Resource, obj: Obj) -> list[str]:
    unknown, schema = objectmeta.clean(obj), schema_for(resource)
    if not resource.custom:
        # Null is a zero value to Go's types, and goes before types are looked at.
        schema.default(obj)
        for error in schema.validate(obj):
            if error.reason == fields.TYPE_INVALID:
                # The path alone: the value may be a secret.
                raise UndecodableError(f"{error.path}: the value is of another type than the field")
    return unknown + schema.prune(obj)


def check_identity(call: Call, metadata: Obj) -> None:
    """Check the name and namespace of the body against the path; an empty namespace is the path's.

    Raises:
        ApiError: 400, they differ.
    """
    name, wanted = metadata.get("name", ""), call.info.name
    if wanted and name != wanted:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({wanted})")
    if metadata.get("namespace", call.namespace) != call.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if call.namespace:
        metadata["namespace"] = call.namespace


_PROPAGATIONS = ("Foreground", "Background", "Orphan")


def create(engine: Engine, call: Call) -> web.Response:
    """Answer a create."""
    write = call.write("CreateOptions")
    return entry_response(call, engine.create(write, accept(call, call.obj())), 201)


def create_instead(engine: Engine, call: Call, write: Write, obj: Obj) -> web.Response:
    """Answer an update or a patch of what is not there by creating it, which the user must be allowed to.

    Raises:
        ApiError: 403, or why it cannot be created.
    """
    engine.authorizer.require(call.user, replace(call.info, verb="create"))
    return entry_response(call, engine.create(write, obj), 201)


def update(engine: Engine, call: Call) -> web.Response:
    """Answer an update of an object or its status."""
    write, obj, resource = call.write("UpdateOptions"), accept(call, call.obj()), call.resource
    entry, metadata = engine.table(resource).get(write.namespace, write.name), obj["metadata"]
    if entry is None:
        if resource.create_on_update and not write.subresource and not metadata.get("resourceVersion"):
            return create_instead(engine, call, write, obj)
        raise not_found(resource.group, resource.plural, write.name)
    uid = entry.obj["metadata"]["uid"]
    if metadata.get("uid", uid) != uid:
        why = f"Precondition failed: UID in precondition: {metadata['uid']}, UID in object meta: {uid}"
        raise conflict(resource.group, resource.plural, write.name, why)
    return entry_response(call, engine.update(write, obj, entry))


def _delete_options(call: Call) -> tuple[DeleteOptions, Write]:
    """Read the options of a delete from body and query."""
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


def delete(engine: Engine, call: Call) -> web.Response:
    """Answer a delete of one object."""
    options, write = _delete_options(call)
    resource = call.resource
    entry, gone = engine.delete(write, engine.require(resource, write.namespace, write.name), options)
    if not gone or resource.returns_deleted:
        return entry_response(call, entry)
    details = {"name": write.name, "kind": resource.plural, "uid": entry.obj["metadata"]["uid"]}
    if resource.group:
        details["group"] = resource.group
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    return json_response(status, 200, call.warnings)


def delete_collection(engine: Engine, call: Call) -> web.Response:
    """Answer a delete of all selected objects; returns what was deleted as a list."""
    options, write = _delete_options(call)
    match = selection(call.resource, call.query)
    found = [e for e in engine.table(call.resource).select(write.namespace or None) if match is None or match(e.obj)]
    deleted = [engine.delete(write, entry, options)[0] for entry in found]
    return list_response(call, deleted, {"resourceVersion": str(engine.store.rv)})
