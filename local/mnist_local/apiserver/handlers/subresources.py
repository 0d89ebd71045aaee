"""Subresources beyond `status`: tokens, evictions, bindings, namespace finalization."""

from __future__ import annotations

from aiohttp import web

from mnist_local.apiserver.call import Call, require_object
from mnist_local.apiserver.codec import decode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, bad_request
from mnist_local.apiserver.handlers.responses import object_response
from mnist_local.apiserver.handlers.write import write_of
from mnist_local.apiserver.rest.deletion import DeleteOptions
from mnist_local.apiserver.rest.engine import Engine


def _success(code: int = 201) -> web.Response:
    return object_response(
        {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": code}, code
    )


def evict(ctx: Context, call: Call) -> web.Response:
    """Delete a pod by the Eviction API (budgets are stored here, not enforced)."""
    body = require_object(decode(call.body, call.headers.get("Content-Type", ""), call.resource.kind), call)
    options = body.get("deleteOptions") or {}
    preconditions = options.get("preconditions") or {}
    engine = Engine(ctx)
    entry = engine.require(call.resource, call.info.namespace, call.info.name)
    dry_run = bool(options.get("dryRun")) or call.query.get("dryRun") == "All"
    engine.delete(
        write_of(call, dry_run),
        entry,
        DeleteOptions(
            options.get("propagationPolicy"),
            options.get("gracePeriodSeconds"),
            preconditions.get("uid"),
            preconditions.get("resourceVersion"),
        ),
    )
    return _success()


def bind(ctx: Context, call: Call) -> web.Response:
    """Give a pod its node."""
    body = require_object(decode(call.body, call.headers.get("Content-Type", ""), call.resource.kind), call)
    target: Obj = body.get("target") or {}
    if not target.get("name"):
        raise bad_request("target.name: Required value")
    engine = Engine(ctx)
    entry = engine.require(call.resource, call.info.namespace, call.info.name)
    obj = entry.copy()
    obj["spec"]["nodeName"] = target["name"]
    engine.update(write_of(call, False), obj, entry)
    return _success()
