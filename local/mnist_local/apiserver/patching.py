"""patch: JSON patch, merge patch, strategic merge patch and server-side apply; and `/scale`, which is one number."""

from __future__ import annotations

import orjson
from aiohttp import web

from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.errors import (
    ApiError,
    Obj,
    bad_option,
    bad_request,
    conflict,
    invalid,
    not_found,
    unsupported_media_type,
)
from mnist_local.apiserver.kinds import schema_for
from mnist_local.apiserver.patch import (
    ApplyConflict,
    PatchError,
    json_patch,
    merge_patch,
    server_side_apply,
    strategic_merge,
)
from mnist_local.apiserver.read import entry_response, json_response
from mnist_local.apiserver.request import Call, as_object, decode_json, decode_yaml
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.tables import find
from mnist_local.apiserver.write import accept, check_identity, check_kind, create_instead

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_SCALE_METADATA = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def patch(engine: Engine, call: Call) -> web.Response:
    """Answer a patch of an object or its status."""
    resource, kind = call.resource, call.content_type
    if kind not in (JSON_PATCH, MERGE_PATCH, APPLY, *(() if resource.custom else (STRATEGIC,))):
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, APPLY))
    if kind == APPLY:
        return _apply(engine, call)
    if "force" in call.query:
        raise bad_option("PatchOptions", fields.forbidden("force", "may not be specified for non-apply patch"))
    write = call.write("PatchOptions")
    entry = engine.require(resource, write.namespace, write.name)
    obj = accept(call, _patched(resource, kind, orjson.loads(resource.raw(entry)), call.body), patched=True)
    return entry_response(call, engine.update(write, obj, entry))


def _patched(resource: Resource, kind: str, live: Obj, body: bytes) -> Obj:
    """Return an object with a patch in it.

    Raises:
        ApiError: 400 malformed; 422 does not fit, without saying what failed, which could quote what is secret.
    """
    change = decode_json(body)
    if kind != JSON_PATCH and not isinstance(change, dict):
        raise bad_request("error decoding patch: it must be a JSON object")
    try:
        if kind == JSON_PATCH:
            return json_patch(live, change)
        if kind == STRATEGIC:
            return strategic_merge(schema_for(resource), live, change)
        return merge_patch(live, change)
    except PatchError as error:
        raise _refused(error) from None


def _refused(error: PatchError) -> ApiError:
    if error.status_code == 422:
        return ApiError(422, "Invalid", "the server rejected our request due to an error in our request")
    return ApiError(error.status_code, {400: "BadRequest"}.get(error.status_code, "InternalError"), error.message)


def _apply(engine: Engine, call: Call) -> web.Response:
    write, resource, manager = call.write("PatchOptions", owned=False), call.resource, call.query.get("fieldManager")
    if not manager:
        raise bad_option("PatchOptions", fields.required("fieldManager", "is required for apply patch"))
    applied = as_object(decode_yaml(call.body), resource.kind)
    check_kind(resource, applied)
    applied["metadata"] = applied.get("metadata") or {}
    check_identity(call, dict(applied["metadata"]))
    entry = engine.table(resource).get(write.namespace, write.name)
    if entry is None and (write.subresource or applied["metadata"].get("uid")):
        raise not_found(resource.group, resource.plural, write.name)
    live = orjson.loads(resource.raw(entry)) if entry is not None else None
    obj = _merged(resource, live, applied, manager, call.flag("force"), write.subresource)
    managed = obj["metadata"].get("managedFields")
    obj = accept(call, obj, patched=True)
    obj["metadata"]["managedFields"] = managed
    if entry is not None:
        return entry_response(call, engine.update(write, obj, entry))
    obj["metadata"].pop("resourceVersion", None)
    return create_instead(engine, call, write, obj)


def _merged(resource: Resource, live: Obj | None, applied: Obj, manager: str, force: bool, subresource: str) -> Obj:
    ignore_status = resource.has_status and not subresource
    try:
        return server_side_apply(
            schema_for(resource), live, applied, manager, force, subresource, ignore_status=ignore_status
        )
    except PatchError as error:
        raise _refused(error) from None
    except ApplyConflict as clash:
        causes = [
            {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": field}
            for manager, field in clash.conflicts
        ]
        raise ApiError(409, "Conflict", clash.message, {"causes": causes}) from None


def scale(engine: Engine, call: Call) -> web.Response:
    """Answer a get, an update or a patch of an object's autoscaling/v1 Scale."""
    resource = call.resource
    entry = engine.require(resource, call.namespace, call.info.name)
    if call.info.verb == "get":
        return json_response(_scale_of(resource, entry.obj))
    if call.info.verb == "patch" and call.content_type not in (JSON_PATCH, MERGE_PATCH):
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH))
    now = _scale_of(resource, entry.obj)
    wanted = _patched(resource, call.content_type, now, call.body) if call.info.verb == "patch" else call.obj()
    metadata, replicas = wanted.get("metadata") or {}, (wanted.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or replicas < 0:
        cause = fields.invalid("spec.replicas", replicas, "must be an integer greater than or equal to 0")
        raise invalid("autoscaling", "Scale", call.info.name, [cause])
    if metadata.get("uid", entry.obj["metadata"]["uid"]) != entry.obj["metadata"]["uid"]:
        raise conflict(resource.group, resource.plural, call.info.name)
    obj = entry.copy()
    # A client that names no version means whatever is there.
    obj["metadata"]["resourceVersion"] = metadata.get("resourceVersion") or str(entry.rv)
    *parents, last = resource.scale["specReplicasPath"].lstrip(".").split(".")
    place = obj
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = replicas
    changed = engine.update(call.write("UpdateOptions"), obj, entry)
    return json_response(_scale_of(resource, changed.obj), 200, call.warnings)


def _scale_of(resource: Resource, obj: Obj) -> Obj:
    paths = resource.scale
    wanted = find(obj, paths["specReplicasPath"])
    if wanted is None:
        raise ApiError(500, "InternalError", f'the spec replicas field "{paths["specReplicasPath"]}" does not exist')
    status: Obj = {"replicas": find(obj, paths["statusReplicasPath"]) or 0}
    if "labelSelectorPath" in paths and (selector := find(obj, paths["labelSelectorPath"])):
        status["selector"] = selector
    metadata = {key: obj["metadata"][key] for key in _SCALE_METADATA if key in obj["metadata"]}
    spec = {"replicas": wanted} if wanted else {}  # Go leaves out a zero
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}
