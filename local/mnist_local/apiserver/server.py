"""The HTTP front: who asks, what for, may they, and which handler answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from mnist_local.apiserver import patching, read, write
from mnist_local.apiserver.discovery import VERSION, Discovery
from mnist_local.apiserver.engine import Engine
from mnist_local.apiserver.errors import ApiError, Obj, method_not_allowed, no_such_path
from mnist_local.apiserver.podlog import pod_log
from mnist_local.apiserver.read import error_response, json_response
from mnist_local.apiserver.request import Call, RequestInfo, parse
from mnist_local.apiserver.tokens import Tokens
from mnist_local.apiserver.watch import watch

log = logging.getLogger(__name__)

Handler = Callable[[Engine, Call], web.Response]

_HANDLERS: dict[str, dict[str, Handler]] = {
    "": {
        "get": read.get, "list": read.list_, "create": write.create, "update": write.update, "patch": patching.patch,
        "delete": write.delete, "deletecollection": write.delete_collection,
    },
    "status": {"get": read.get, "update": write.update, "patch": patching.patch},
    "scale": {"get": patching.scale, "update": patching.scale, "patch": patching.scale},
    "finalize": {"update": write.update},
}  # fmt: skip
"""By subresource and verb."""
_OF_COLLECTIONS = ("list", "watch", "create", "deletecollection")
_EVERYWHERE = ("list", "watch", "deletecollection")


class Server:
    """Answers requests to one server."""

    def __init__(self, engine: Engine, tokens: Tokens) -> None:
        self.engine = engine
        self.tokens = tokens
        self.discovery = Discovery(engine.registry)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        call: Call | None = None
        try:
            user = self.tokens.of_request(request.headers)
            info = parse(request.method, request.path, request.rel_url.query)
            self.engine.authorizer.require(user, info)
            if not info.resource:
                return self._other(info)
            resource = self.engine.registry.find(info.group, info.version, info.resource)
            if resource is None:
                raise no_such_path()
            body = await request.read() if request.body_exists else b""
            call = Call(info, resource, user, request.rel_url.query, request.headers, body)
            return await self._answer(call, request)
        except ApiError as error:
            return error_response(error, call.warnings if call else ())
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return error_response(ApiError(500, "InternalError", f"Internal error occurred: {error}"))

    async def _answer(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        info, resource = call.info, call.resource
        if info.subresource and info.subresource not in resource.subresources:
            raise no_such_path()
        if (info.subresource, info.verb) == ("log", "get"):
            return await pod_log(self.engine, call, request)
        if (info.subresource, info.verb) == ("token", "create"):
            return json_response(self.tokens.issue(call, call.obj()), 201)
        if not info.subresource:
            _check_place(call)
            if resource.virtual:
                return json_response(self._review(call, call.obj()), 201)
            if info.verb == "watch":
                return await watch(self.engine, call, request)
        handler = _HANDLERS.get(info.subresource, {}).get(info.verb)
        if handler is None:
            raise method_not_allowed()
        return handler(self.engine, call)

    def _other(self, info: RequestInfo) -> web.StreamResponse:
        if info.verb not in ("get", "head"):
            raise method_not_allowed()
        if info.path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        return json_response(VERSION if info.path == "/version" else self.discovery.answer(info.path))

    def _review(self, call: Call, obj: Obj) -> Obj:
        """Answer a SelfSubjectAccessReview: whether whoever asks may do something."""
        spec = obj.get("spec") or {}
        what = spec.get("resourceAttributes") or spec.get("nonResourceAttributes") or {}
        known = ("verb", "group", "resource", "subresource", "namespace", "name", "path")
        ask = RequestInfo(**{"verb": "", **{key: value for key, value in what.items() if key in known}})
        status = {"allowed": self.engine.authorizer.allowed(call.user, ask)}
        kind = {"kind": call.resource.kind, "apiVersion": call.resource.api_version}
        return {**kind, "metadata": {}, "spec": spec, "status": status}


def _check_place(call: Call) -> None:
    """Refuse verbs that a resource does not have, or not at this path."""
    info, resource = call.info, call.resource
    needs_name = info.verb not in _OF_COLLECTIONS
    is_misplaced = resource.namespaced and not info.namespace and info.verb not in _EVERYWHERE
    if info.verb not in resource.verbs or is_misplaced or (needs_name and not info.name):
        raise method_not_allowed()
    if info.verb == "create" and info.name:
        raise method_not_allowed()
