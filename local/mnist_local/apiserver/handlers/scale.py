"""`/scale` of custom resources: one number of the object's, behind autoscaling/v1 Scale, for `kubectl scale`."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from mnist_local.apiserver.call import Call, require_object
from mnist_local.apiserver.codec import JSON, decode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, Obj, conflict, invalid, unsupported_media_type
from mnist_local.apiserver.handlers.responses import object_response
from mnist_local.apiserver.handlers.write import write_of
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.rest import managedfields, patches
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.schema import errors as fields

_API_VERSION, _KIND = "autoscaling/v1", "Scale"
_PATCHES = {"application/merge-patch+json": patches.merge, "application/json-patch+json": patches.json}
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


def get(ctx: Context, call: Call) -> web.Response:
    """Answer with the Scale of an object."""
    entry = Engine(ctx).require(call.resource, call.info.namespace, call.info.name)
    return object_response(scale_of(call.resource, entry.obj))


def update(ctx: Context, call: Call) -> web.Response:
    """Answer a PUT of a Scale."""
    options = call.write_options("UpdateOptions")
    scale = require_object(decode(call.body, call.content_type or JSON, _KIND), call)
    return _write(ctx, call, scale, options.manager, options.dry_run)


def patch(ctx: Context, call: Call) -> web.Response:
    """Answer a PATCH of a Scale, by merge patch or JSON patch."""
    if call.content_type not in _PATCHES:
        raise unsupported_media_type(_PATCHES)
    options = call.write_options("PatchOptions")
    entry = Engine(ctx).require(call.resource, call.info.namespace, call.info.name)
    scale = _PATCHES[call.content_type](scale_of(call.resource, entry.obj), decode(call.body, JSON, _KIND))
    return _write(ctx, call, require_object(scale, call), options.manager, options.dry_run)


def scale_of(resource: Resource, obj: Obj) -> Obj:
    """Return an object's Scale.

    Raises:
        ApiError: 500, the object does not say how many replicas it wants.
    """
    assert resource.scale is not None
    wanted = _at(obj, resource.scale.spec)
    if wanted is None:
        raise ApiError(500, "InternalError", f'the spec replicas field ".{resource.scale.spec}" does not exist')
    status: Obj = {"replicas": _at(obj, resource.scale.status) or 0}
    if selector := _at(obj, resource.scale.selector):
        status["selector"] = selector
    metadata = {key: obj["metadata"][key] for key in _SHOWN if key in obj["metadata"]}
    return {
        "kind": _KIND, "apiVersion": _API_VERSION, "metadata": metadata,
        "spec": {"replicas": wanted} if wanted else {}, "status": status,
    }  # fmt: skip


def _write(ctx: Context, call: Call, scale: Obj, manager: str, dry_run: bool) -> web.Response:
    resource = call.resource
    assert resource.scale is not None
    engine, write = Engine(ctx), write_of(call, dry_run)
    entry = engine.require(resource, write.namespace, write.name)
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        cause = fields.invalid("spec.replicas", replicas, "must be an integer greater than or equal to 0")
        raise invalid("autoscaling", _KIND, write.name, [cause])
    metadata = scale.get("metadata") or {}
    if metadata.get("uid", entry.obj["metadata"]["uid"]) != entry.obj["metadata"]["uid"]:
        raise conflict(resource.group, resource.plural, write.name)
    obj = entry.copy()
    # A client that names no version means whatever is there.
    obj["metadata"]["resourceVersion"] = metadata.get("resourceVersion") or str(entry.rv)
    *parents, last = resource.scale.spec.split(".")
    place = obj
    for name in parents:
        place = place.setdefault(name, {})
    place[last] = replicas
    finish = managedfields.as_update(resource, manager, "scale")
    return object_response(scale_of(resource, engine.update(write, obj, entry, finish).obj), 200, call.warnings)


def _at(obj: Obj, path: str) -> Any:
    value: Any = obj
    for name in path.split(".") if path else ():
        value = value.get(name) if isinstance(value, dict) else None
    return value if path else None
