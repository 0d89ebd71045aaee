"""Discovery and OpenAPI: which groups, versions and resources are served, and what their objects look like."""

from __future__ import annotations

import hashlib

import orjson

from mnist_local.apiserver.errors import Obj, no_such_path
from mnist_local.apiserver.openapi import openapi_v3
from mnist_local.apiserver.resource import Registry, Resource

VERSION: Obj = {
    "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z", "goVersion": "", "compiler": "python", "platform": "linux/amd64",
}  # fmt: skip
"""The body of `/version`."""
_VERBS = {"token": ("create",), "log": ("get",), "finalize": ("update",)}
_KINDS = {"token": ("authentication.k8s.io", "v1", "TokenRequest"), "scale": ("autoscaling", "v1", "Scale")}


class Discovery:
    """Answers for `/api`, `/apis` and `/openapi/v3`; OpenAPI documents are made when they are first asked for."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._revision = -1
        self._documents: dict[str, bytes] = {}

    def answer(self, path: str) -> Obj | bytes:
        match path.strip("/").split("/"):
            case ["api"]:
                return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
            case ["apis"]:
                groups = [_group(group, versions) for group, versions in self._groups().items() if group]
                return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
            case ["apis", group] if group in self._groups():
                return {"kind": "APIGroup", "apiVersion": "v1", **_group(group, self._groups()[group])}
            case ["api", version]:
                return self._resources("", version)
            case ["apis", group, version]:
                return self._resources(group, version)
            case ["openapi", "v3"]:
                return {"paths": {where: {"serverRelativeURL": self._url(where)} for where in self._places()}}
            case ["openapi", "v3", *rest]:
                return self._document("/".join(rest))
        raise no_such_path()

    def _groups(self) -> dict[str, list[str]]:
        groups: dict[str, set[str]] = {}
        for resource in self._registry:
            groups.setdefault(resource.group, set()).add(resource.version)
        return {group: sorted(versions) for group, versions in groups.items()}

    def _resources(self, group: str, version: str) -> Obj:
        found = [r for r in self._registry if (r.group, r.version) == (group, version)]
        if not found:
            raise no_such_path()
        listed = [one for resource in sorted(found, key=lambda r: r.plural) for one in _listed(resource)]
        api_version = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}

    def _places(self) -> dict[str, tuple[str, str]]:
        return {f"{'apis/' + r.group if r.group else 'api'}/{r.version}": (r.group, r.version) for r in self._registry}

    def _url(self, where: str) -> str:
        place = self._places()[where]
        made_from = [(r.kind, r.verbs, r.openapi) for r in self._registry if (r.group, r.version) == place]
        return f"/openapi/v3/{where}?hash={hashlib.sha256(orjson.dumps(made_from)).hexdigest().upper()}"

    def _document(self, where: str) -> bytes:
        if self._revision != self._registry.revision:
            self._revision, self._documents = self._registry.revision, {}
        if where not in self._documents:
            places = self._places()
            if where not in places:
                raise no_such_path()
            kinds = [kind for kind in self._registry if (kind.group, kind.version) == places[where]]
            self._documents[where] = orjson.dumps(openapi_v3(kinds))
        return self._documents[where]


def _group(group: str, versions: list[str]) -> Obj:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _listed(resource: Resource) -> list[Obj]:
    one: Obj = {
        "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    if resource.short_names:
        one["shortNames"] = list(resource.short_names)
    if resource.categories:
        one["categories"] = list(resource.categories)
    listed = [one]
    for name in sorted(resource.subresources):
        sub: Obj = {
            "name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced,
            "kind": resource.kind, "verbs": list(_VERBS.get(name, ("get", "patch", "update"))),
        }  # fmt: skip
        if name in _KINDS:
            sub["group"], sub["version"], sub["kind"] = _KINDS[name]
        listed.append(sub)
    return listed
