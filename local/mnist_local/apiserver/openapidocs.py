"""The OpenAPI documents of what is served: one for each group version, made when it is first asked for."""

from __future__ import annotations

import hashlib

from mnist_local.apiserver.codec import encode
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, no_such_path
from mnist_local.apiserver.resource import Resource
from mnist_local.apiserver.schema.openapi import ServedKind, openapi_v3


class OpenApi:
    """Serves `/openapi/v3` and `/openapi/v3/<path>`."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self._revision = -1
        self._groups: dict[str, tuple[str, str]] = {}
        self._documents: dict[str, bytes] = {}

    def index(self) -> Obj:
        """Return where the documents are, each with a hash of what it is made from, so that clients can cache it."""
        self._refresh()
        kinds = self._kinds()
        paths: Obj = {}
        for path, key in self._groups.items():
            served = [
                (kind.plural, kind.kind, kind.namespaced, kind.verbs, kind.has_status, kind.schema)
                for kind in kinds
                if (kind.group, kind.version) == key
            ]
            digest = hashlib.sha512(encode({"served": served})).hexdigest().upper()
            paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": paths}

    def document(self, path: str) -> bytes:
        """Return one document as JSON.

        Raises:
            ApiError: 404.
        """
        self._refresh()
        if path not in self._groups:
            raise no_such_path()
        if path not in self._documents:
            group, version = self._groups[path]
            self._documents[path] = encode(openapi_v3(group, version, self._kinds()))
        return self._documents[path]

    def _kinds(self) -> list[ServedKind]:
        return [_served(resource) for resource in self.ctx.registry]

    def _refresh(self) -> None:
        if self._revision == self.ctx.registry.revision:
            return
        self._revision = self.ctx.registry.revision
        self._documents = {}
        self._groups = {
            f"{'apis/' + resource.group if resource.group else 'api'}/{resource.version}": (
                resource.group,
                resource.version,
            )
            for resource in self.ctx.registry
        }


def _served(resource: Resource) -> ServedKind:
    return ServedKind(
        resource.group,
        resource.version,
        resource.kind,
        resource.plural,
        resource.namespaced,
        resource.openapi,
        resource.verbs,
        resource.has_status,
    )
