"""patch: JSON patch, merge patch, strategic merge patch and server-side apply."""

from __future__ import annotations

from aiohttp import web

from mnist_local.apiserver.call import Call, require_object
from mnist_local.apiserver.codec import decode_json
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, Obj, bad_request, not_found, unsupported_media_type
from mnist_local.apiserver.handlers.responses import entry_response
from mnist_local.apiserver.handlers.write import write_of
from mnist_local.apiserver.rest.decoding import accept_body, finisher
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.views import obj_of

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def patch(ctx: Context, call: Call) -> web.Response:
    """Answer a patch of an object or its status."""
    options = call.write_options("PatchOptions")
    kind = call.content_type
    write = write_of(call, options.dry_run)
    entry = ctx.table(call.resource).get(write.namespace, write.name)
    if entry is None:
        raise not_found(call.resource.group, call.resource.plural, write.name)
    live: Obj = decode_json(entry.raw) if call.resource.from_storage is None else obj_of(call.resource, entry)
    body = decode_json(call.body)
    if kind == JSON_PATCH:
        obj = _json_patch(live, body)
    elif kind in (MERGE_PATCH, STRATEGIC, APPLY):
        obj = _merge(live, require_object(body))
    else:
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, STRATEGIC, APPLY))
    if obj["metadata"].get("name") != write.name:
        raise bad_request(
            f"the name of the object ({obj['metadata'].get('name')}) does not match the name on the URL ({write.name})"
        )
    obj = accept_body(ctx, call, obj, options)
    return entry_response(call, Engine(ctx).update(write, obj, entry, finisher(call, options, "Update")))


def _json_patch(live: Obj, body: object) -> Obj:
    import jsonpatch

    try:
        return require_object(jsonpatch.apply_patch(live, body))
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {error}") from None


def _merge(live: Obj, body: Obj) -> Obj:
    for key, value in body.items():
        if value is None:
            live.pop(key, None)
        elif isinstance(value, dict):
            former = live.get(key)
            live[key] = _merge(former if isinstance(former, dict) else {}, value)
        else:
            live[key] = value
    return live
