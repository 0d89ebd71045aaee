"""The HTTP front: who asks, what for, may they, and which handler answers."""

from __future__ import annotations

import logging
from collections.abc import Callable

from aiohttp import web

from mnist_local.apiserver import discovery, requestinfo
from mnist_local.apiserver.call import SYSTEM, Call, User
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import ApiError, method_not_allowed, no_such_path, unauthorized
from mnist_local.apiserver.handlers import patch as patching
from mnist_local.apiserver.handlers import read, write
from mnist_local.apiserver.handlers.responses import error_response, json_response, object_response
from mnist_local.apiserver.handlers.watch import watch
from mnist_local.apiserver.openapidocs import OpenApi

log = logging.getLogger(__name__)

Handler = Callable[[Context, Call], web.Response]

_VERBS: dict[str, Handler] = {
    "get": read.get,
    "list": read.list_,
    "create": write.create,
    "update": write.update,
    "patch": patching.patch,
    "delete": write.delete,
    "deletecollection": write.delete_collection,
}


class Server:
    """Answers requests over one context."""

    def __init__(self, ctx: Context, admin_token: str) -> None:
        self.ctx = ctx
        self.admin_token = admin_token
        self.openapi = OpenApi(ctx)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; every failure becomes a Status."""
        call: Call | None = None
        try:
            user = self._authenticate(request)
            query = request.rel_url.query
            info = requestinfo.parse(request.method, request.path, query)
            if not info.is_resource:
                return self._other(request)
            resource = self.ctx.registry.find(info.group, info.version, info.resource)
            if resource is None:
                raise no_such_path()
            body = await request.read() if request.body_exists else b""
            call = Call(info, resource, user, query, request.headers, body)
            if info.verb == "watch":
                return await watch(self.ctx, call, request)
            handler = _VERBS.get(info.verb)
            if handler is None:
                raise method_not_allowed()
            return handler(self.ctx, call)
        except ApiError as error:
            return error_response(error, call.warnings if call else None)
        except Exception as error:  # noqa: BLE001 - the server goes on after a fault in one request
            log.exception("%s %s failed", request.method, request.path)
            return error_response(ApiError(500, "InternalError", f"Internal error occurred: {error}"))

    def _authenticate(self, request: web.BaseRequest) -> User:
        header = request.headers.get("Authorization", "")
        if header.removeprefix("Bearer ") != self.admin_token:
            raise unauthorized()
        return SYSTEM

    def _other(self, request: web.BaseRequest) -> web.StreamResponse:
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
        raise no_such_path()

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
            case ["apis", group]:
                return object_response(discovery.legacy_group(registry, group))
            case ["apis", group, version]:
                return object_response(discovery.legacy_resources(registry, group, version))
        raise no_such_path()
