"""patch: JSON patch, merge patch, strategic merge patch and server-side apply."""

from __future__ import annotations

import orjson
from aiohttp import web

from mnist_local.apiserver.auth.authorizer import require_create
from mnist_local.apiserver.bodies import go_type, json_error
from mnist_local.apiserver.call import Call, WriteOptions, require_object
from mnist_local.apiserver.codec import decode_yaml
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, Obj, bad_request, invalid, not_found, unsupported_media_type
from mnist_local.apiserver.handlers.responses import entry_response
from mnist_local.apiserver.handlers.write import write_of
from mnist_local.apiserver.rest import managedfields, patches
from mnist_local.apiserver.rest.decoding import accept, check_identity, check_kind
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.schema import errors as fields
from mnist_local.apiserver.store import Entry
from mnist_local.apiserver.views import raw_of

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
_CUSTOM = (JSON_PATCH, MERGE_PATCH, APPLY)
_BUILTIN = (JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY)


def patch(ctx: Context, call: Call) -> web.Response:
    """Answer a patch of an object or its status."""
    kind = call.content_type
    kinds = _CUSTOM if call.resource.custom else _BUILTIN
    if kind not in kinds:
        if not call.resource.custom:
            raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
        raise unsupported_media_type(kinds)
    options = call.write_options("PatchOptions")
    _check_options(call, options, kind)
    if kind == APPLY:
        return _apply(ctx, call, options)
    body = _decode(call.body)
    write = write_of(call, options.dry_run)
    entry = ctx.table(call.resource).get(write.namespace, write.name)
    if entry is None:
        raise not_found(call.resource.group, call.resource.plural, write.name)
    live = _live(call, entry)
    if kind == JSON_PATCH:
        obj = patches.json(live, body)
    elif kind == MERGE_PATCH:
        obj = patches.merge(live, _map(body))
    else:
        obj = patches.strategic(call.resource, live, _map(body))
    obj = accept(call, obj, options.field_validation, patched=True)
    check_identity(call, obj)
    finish = managedfields.as_update(call.resource, options.manager, write.subresource)
    return entry_response(call, Engine(ctx).update(write, obj, entry, finish))


def _live(call: Call, entry: Entry) -> Obj:
    live: Obj = orjson.loads(raw_of(call.resource, entry))
    return live


def _decode(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise bad_request(f"error decoding patch: {json_error(body)}") from None


def _map(body: object) -> Obj:
    if not isinstance(body, dict):
        found = go_type(body)
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
        )
    return body


def _check_options(call: Call, options: WriteOptions, kind: str) -> None:
    if kind == APPLY:
        if not call.query.get("fieldManager"):
            cause = fields.required("fieldManager", "is required for apply patch")
            raise invalid("meta.k8s.io", "PatchOptions", "", [cause])
    elif options.force is not None:
        cause = fields.forbidden("force", "may not be specified for non-apply patch")
        raise invalid("meta.k8s.io", "PatchOptions", "", [cause])


def _apply(ctx: Context, call: Call, options: WriteOptions) -> web.Response:
    write = write_of(call, options.dry_run)
    resource = call.resource
    applied = require_object(decode_yaml(call.body), call)
    check_kind(resource, applied, call.body)
    if applied.get("metadata") is None:
        applied["metadata"] = {}
    check_identity(call, {"metadata": dict(applied["metadata"])})
    entry = ctx.table(resource).get(write.namespace, write.name)
    if entry is None and (write.subresource or applied["metadata"].get("uid")):
        raise not_found(resource.group, resource.plural, write.name)
    live = _live(call, entry) if entry is not None else None
    obj = patches.apply(resource, live, applied, options.manager, bool(options.force), write.subresource)
    managed = obj["metadata"].get("managedFields")
    obj = accept(call, obj, options.field_validation, patched=True)
    obj["metadata"]["managedFields"] = managed
    engine = Engine(ctx)
    if entry is not None:
        return entry_response(call, engine.update(write, obj, entry))
    require_create(ctx, call)
    obj["metadata"].pop("resourceVersion", None)
    return entry_response(call, engine.create(write, obj), 201)
