"""Discovery: which groups, versions and resources are served, in the legacy and the aggregated form."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from mnist_local.apiserver.codec import accepted
from mnist_local.apiserver.errors import Obj, no_such_path
from mnist_local.apiserver.resource import Registry, Resource

GIT_VERSION = "v1.36.0"
_AGGREGATED = ("v2", "v2beta1")
_SUBRESOURCE_KINDS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "binding": ("", "v1", "Binding", ("create",)),
    "scale": ("autoscaling", "v1", "Scale", ("get", "patch", "update")),
    "log": ("", "", "", ("get",)),
    "finalize": ("", "", "", ("update",)),
}
_STATUS_VERBS = ("get", "patch", "update")


def version_info() -> Obj:
    """Return the body of `/version`."""
    return {
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "2026-04-22T00:00:00Z",
        "goVersion": "",
        "compiler": "python",
        "platform": "linux/amd64",
    }


def aggregated_version(accept: str) -> str | None:
    """Return v2 or v2beta1 where the client asks for aggregated discovery before the legacy form."""
    for clause in accepted(accept):
        if clause.type in ("application/json", "*/*"):
            if clause.params.get("as") == "APIGroupDiscoveryList":
                if clause.params.get("v") in _AGGREGATED and clause.params.get("g") == "apidiscovery.k8s.io":
                    return clause.params["v"]
            elif "as" not in clause.params:
                return None
    return None


def _grouped(registry: Registry) -> dict[str, dict[str, list[Resource]]]:
    """Return resources by group and version; custom groups come after the built-in ones, by name."""
    ordered = sorted(registry, key=lambda r: (r.custom, r.group if r.custom else ""))
    groups: dict[str, dict[str, list[Resource]]] = {}
    for resource in ordered:
        groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    for group, versions in groups.items():
        groups[group] = dict(sorted(versions.items(), key=lambda item: version_rank(item[0])))
    return groups


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Return the sort key that puts v2 before v1 before v1beta1 before v1alpha1 before others."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if not found:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0), version)


def legacy_api() -> Obj:
    """Return `/api`."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def _legacy_group(group: str, versions: Iterable[str]) -> Obj:
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def legacy_groups(registry: Registry) -> Obj:
    """Return `/apis`."""
    groups = [_legacy_group(group, versions) for group, versions in _grouped(registry).items() if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def legacy_group(registry: Registry, group: str) -> Obj:
    """Return `/apis/<group>`.

    Raises:
        ApiError: 404.
    """
    versions = _grouped(registry).get(group)
    if not group or not versions:
        raise no_such_path()
    return {"kind": "APIGroup", "apiVersion": "v1", **_legacy_group(group, versions)}


def legacy_resources(registry: Registry, group: str, version: str) -> Obj:
    """Return `/api/v1` or `/apis/<group>/<version>`.

    Raises:
        ApiError: 404.
    """
    resources = _grouped(registry).get(group, {}).get(version)
    if not resources:
        raise no_such_path()
    listed: list[Obj] = []
    for resource in sorted(resources, key=lambda r: r.plural):
        one: Obj = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if resource.short_names:
            one["shortNames"] = list(resource.short_names)
        if resource.categories:
            one["categories"] = list(resource.categories)
        if not resource.virtual:
            one["storageVersionHash"] = _storage_hash(resource)
        listed.append(one)
        for name in sorted(resource.subresources):
            sub_group, sub_version, kind, verbs = _subresource(resource, name)
            sub: Obj = {
                "name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced,
                "kind": kind, "verbs": list(verbs),
            }  # fmt: skip
            if (sub_group, sub_version) != (resource.group, resource.version):
                sub |= {"group": sub_group, "version": sub_version}
            listed.append(sub)
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": listed}


def _storage_hash(resource: Resource) -> str:
    stored = f"{resource.group}/{resource.version}/{resource.kind}"
    return base64.b64encode(hashlib.sha256(stored.encode()).digest()[:8]).decode()


def _subresource(resource: Resource, name: str) -> tuple[str, str, str, tuple[str, ...]]:
    group, version, kind, verbs = _SUBRESOURCE_KINDS.get(name, ("", "", "", _STATUS_VERBS))
    if not kind:
        return resource.group, resource.version, resource.kind, verbs
    return group, version, kind, verbs


def aggregated(registry: Registry, core: bool, version: str) -> Obj:
    """Return `/api` (core) or `/apis` as an APIGroupDiscoveryList."""
    items: list[Obj] = []
    for group, versions in _grouped(registry).items():
        if bool(group) is core:
            continue
        listed = [
            {"version": name, "resources": [_aggregated(r) for r in resources], "freshness": "Current"}
            for name, resources in versions.items()
        ]
        metadata: Obj = {"name": group} if group else {}
        items.append({"metadata": metadata, "versions": listed})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def _aggregated(resource: Resource) -> Obj:
    out: Obj = {
        "resource": resource.plural,
        "responseKind": _kind("", "", resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        out["shortNames"] = list(resource.short_names)
    if resource.categories:
        out["categories"] = list(resource.categories)
    subresources: list[Obj] = []
    for name in resource.subresources:
        group, version, kind, verbs = _subresource(resource, name)
        if (group, version) == (resource.group, resource.version):
            group = version = ""
        subresources.append({"subresource": name, "responseKind": _kind(group, version, kind), "verbs": list(verbs)})
    if subresources:
        out["subresources"] = subresources
    return out


def _kind(group: str, version: str, kind: str) -> Obj:
    return {"group": group, "version": version, "kind": kind}
