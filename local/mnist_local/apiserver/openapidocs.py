"""The OpenAPI documents of what is served, made anew when the registry changes."""

from __future__ import annotations

import hashlib

from mnist_local.apiserver.codec import encode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, no_such_path
from mnist_local.apiserver.resource import Resource


class OpenApi:
    """Serves `/openapi/v3` and `/openapi/v3/<path>`."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._revision = -1
        self._documents: dict[str, bytes] = {}

    def index(self) -> Obj:
        """Return the list of documents, each with a hash so that clients can cache it."""
        self._refresh()
        return {
            "paths": {
                path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={hashlib.sha256(body).hexdigest().upper()}"}
                for path, body in self._documents.items()
            }
        }

    def document(self, path: str) -> bytes:
        """Return one document as JSON.

        Raises:
            ApiError: 404.
        """
        self._refresh()
        if path not in self._documents:
            raise no_such_path()
        return self._documents[path]

    def _refresh(self) -> None:
        if self._revision == self.ctx.registry.revision:
            return
        self._revision = self.ctx.registry.revision
        groups: dict[str, list[Resource]] = {}
        for resource in self.ctx.registry:
            prefix = f"apis/{resource.group}" if resource.group else "api"
            groups.setdefault(f"{prefix}/{resource.version}", []).append(resource)
        self._documents = {path: encode(_document(path, group)) for path, group in groups.items()}


def _document(path: str, resources: list[Resource]) -> Obj:
    paths: Obj = {}
    schemas: Obj = {}
    for resource in resources:
        gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        scope = "/namespaces/{namespace}" if resource.namespaced else ""
        paths[f"/{path}{scope}/{resource.plural}/{{name}}"] = {
            "patch": {
                "x-kubernetes-action": "patch",
                "x-kubernetes-group-version-kind": gvk,
                "parameters": [
                    {"name": name, "in": "query", "schema": {"type": "string"}}
                    for name in ("dryRun", "fieldManager", "fieldValidation", "force")
                ],
                "responses": {"200": {"description": "OK"}},
            }
        }
        name = ".".join([*reversed((resource.group or "core").split(".")), resource.version, resource.kind])
        schemas[name] = {"type": "object", **(resource.openapi or {}), "x-kubernetes-group-version-kind": [gvk]}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "components": {"schemas": schemas},
    }
