"""The HTTP front: who asks, what for, may they, and which handler answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from mnist_local.apiserver import discovery, requestinfo
from mnist_local.apiserver.auth.authentication import Authenticator, impersonated
from mnist_local.apiserver.auth.authorizer import Question
from mnist_local.apiserver.auth.reviews import Reviews
from mnist_local.apiserver.call import Call, User, require_object
from mnist_local.apiserver.codec import decode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import (
    ApiError,
    bad_request,
    method_not_allowed,
    no_such_path,
    not_found,
    not_supported,
)
from mnist_local.apiserver.handlers import patch as patching
from mnist_local.apiserver.handlers import read, scale, subresources, write
from mnist_local.apiserver.handlers.podlog import pod_log
from mnist_local.apiserver.handlers.responses import error_response, json_response, object_response
from mnist_local.apiserver.handlers.watch import watch
from mnist_local.apiserver.openapidocs import OpenApi
from mnist_local.apiserver.requestinfo import RequestInfo

log = logging.getLogger(__name__)

Handler = Callable[[Context, Call], web.Response]

_MAIN: dict[str, Handler] = {
    "get": read.get,
    "list": read.list_,
    "create": write.create,
    "update": write.update,
    "patch": patching.patch,
    "delete": write.delete,
    "deletecollection": write.delete_collection,
}
_STATUS: dict[str, Handler] = {"get": read.get, "update": write.update, "patch": patching.patch}
_SUBRESOURCES: dict[str, dict[str, Handler]] = {
    "status": _STATUS,
    "scale": {"get": scale.get, "update": scale.update, "patch": scale.patch},
    "finalize": {"update": write.update},
    "eviction": {"create": subresources.evict},
    "binding": {"create": subresources.bind},
    "ephemeralcontainers": {},
}
_BODY_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class Server:
    """Answers requests over one context."""

    def __init__(self, ctx: Context, authenticator: Authenticator) -> None:
        self.ctx = ctx
        self.authenticator = authenticator
        self.reviews = Reviews(ctx, authenticator)
        self.openapi = OpenApi(ctx)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every failure becomes a Status."""
        call: Call | None = None
        try:
            user = impersonated(self.authenticator.of_request(request.headers), request.headers, self.ctx.authorizer)
            query = request.rel_url.query
            info = requestinfo.parse(request.method, request.path, query)
            self._authorize(user, info)
            if not info.is_resource:
                return self._other(request, info)
            resource = self.ctx.registry.find(info.group, info.version, info.resource)
            if resource is None:
                return self._unknown(info)
            body = b""
            if info.verb in _BODY_VERBS and request.body_exists:
                body = await request.read()
            call = Call(info, resource, user, query, request.headers, body)
            return await self._answer(call, request)
        except ApiError as error:
            return error_response(error, call.warnings if call else ())
        except Exception as error:
            log.exception("%s %s failed", request.method, request.path)
            return error_response(ApiError(500, "InternalError", f"Internal error occurred: {error}"))

    def _authorize(self, user: User, info: RequestInfo) -> None:
        authorizer = self.ctx.authorizer
        if not info.is_resource:
            authorizer.require_path(user, info.verb, info.path)
            return
        authorizer.require(
            user,
            Question(info.verb, info.group, info.resource, info.subresource, info.namespace, info.name),
        )

    async def _answer(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        info, resource = call.info, call.resource
        if info.subresource:
            return await self._subresource(call, request)
        if info.verb not in resource.verbs:
            raise (
                not_supported(resource.group, resource.plural, info.verb) if resource.custom else method_not_allowed()
            )
        if info.verb in ("update", "patch") and not info.name:
            raise bad_request("name must be provided") if resource.custom else method_not_allowed()
        if resource.virtual:
            obj = require_object(decode(call.body, call.headers.get("Content-Type", ""), call.resource.kind), call)
            return object_response(self.reviews.answer(call, obj), 201, call.warnings)
        if info.verb == "watch":
            return await watch(self.ctx, call, request)
        if resource.namespaced and not info.namespace and info.verb not in ("list", "deletecollection"):
            raise method_not_allowed()
        if info.verb == "create" and info.name:
            raise method_not_allowed()
        return _MAIN[info.verb](self.ctx, call)

    async def _subresource(self, call: Call, request: web.BaseRequest) -> web.StreamResponse:
        info, resource = call.info, call.resource
        if info.subresource not in resource.subresources:
            raise not_found(resource.group, resource.plural, info.name) if resource.custom else no_such_path()
        if info.subresource == "log" and info.verb == "get":
            return await pod_log(self.ctx, call, request)
        if info.subresource == "token" and info.verb == "create":
            obj = require_object(decode(call.body, call.headers.get("Content-Type", ""), call.resource.kind), call)
            return object_response(self.reviews.token(call, obj), 201)
        handler = _SUBRESOURCES.get(info.subresource, {}).get(info.verb)
        if handler is None:
            raise (
                not_supported(resource.group, resource.plural, info.verb) if resource.custom else method_not_allowed()
            )
        return handler(self.ctx, call)

    def _unknown(self, info: RequestInfo) -> web.Response:
        if any(resource.group == info.group for resource in self.ctx.registry):
            raise no_such_path()
        return _page_not_found()

    def _other(self, request: web.BaseRequest, info: RequestInfo) -> web.StreamResponse:
        if info.verb not in ("get", "head"):
            raise method_not_allowed()
        path = request.path.rstrip("/") or "/"
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        if path == "/version":
            return object_response(discovery.version_info())
        parts = path.strip("/").split("/")
        if parts[0] in ("api", "apis"):
            return self._discovery(parts, request.headers.get("Accept", ""))
        if path == "/openapi/v3":
            return object_response(self.openapi.index())
        if path.startswith("/openapi/v3/"):
            return json_response(self.openapi.document(path.removeprefix("/openapi/v3/")))
        if path == "/":
            return object_response({"paths": self._paths()})
        return _page_not_found()

    def _paths(self) -> list[str]:
        groups = {("/apis/" + r.group if r.group else "/api", r.version) for r in self.ctx.registry}
        found = {"/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version"}
        return sorted(found | {path for path, _ in groups} | {f"{path}/{version}" for path, version in groups})

    def _discovery(self, parts: list[str], accept: str) -> web.Response:
        registry = self.ctx.registry
        if len(parts) == 1 and (version := discovery.aggregated_version(accept)):
            response = object_response(discovery.aggregated(registry, parts[0] == "api", version))
            response.headers["Content-Type"] = (
                f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
            )
            return response
        match parts:
            case ["api"]:
                return object_response(discovery.legacy_api())
            case ["apis"]:
                return object_response(discovery.legacy_groups(registry))
            case ["api", version]:
                return object_response(discovery.legacy_resources(registry, "", version))
            case ["apis", group] if any(r.group == group for r in registry):
                return object_response(discovery.legacy_group(registry, group))
            case ["apis", group, version]:
                return object_response(discovery.legacy_resources(registry, group, version))
        return _page_not_found()


def _page_not_found() -> web.Response:
    return web.Response(status=404, text="404 page not found\n")
