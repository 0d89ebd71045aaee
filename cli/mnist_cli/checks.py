"""What a manifest names, looked for in its cluster: KubeRay, queue, RayCluster, identity, and what pod templates use.

Each check gives a `Finding`. What the user may not read is no failure: it is said, and left to the operator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from mnist_kube.errors import ApiError

if TYPE_CHECKING:
    from mnist_client import AsyncClient

_KUBERAY = "/apis/ray.io/v1"
_INSTALL_KUBERAY = "install KubeRay 1.5.1 or later, with its CRDs"


class Result(StrEnum):
    """`warn`: not wrong, or not known from here; a training may be submitted all the same."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found: a sentence, and what to do about it where there is something to do."""

    check: str
    result: Result
    message: str
    action: str = ""

    @classmethod
    def ok(cls, check: str, message: str) -> Finding:
        """All is well."""
        return cls(check, Result.OK, message)

    @classmethod
    def warn(cls, check: str, message: str, action: str = "") -> Finding:
        """Cannot be told from here, or may come later."""
        return cls(check, Result.WARN, message, action)

    @classmethod
    def fail(cls, check: str, message: str, action: str = "") -> Finding:
        """A training would not run."""
        return cls(check, Result.FAIL, message, action)


def has_failure(findings: Iterable[Finding]) -> bool:
    """Whether any check failed."""
    return any(finding.result == Result.FAIL for finding in findings)


@dataclass(frozen=True)
class _Named:
    """An object that a manifest names: what it is there for, and where the API has it."""

    what: str
    kind: str
    path: str
    action: str = ""
    required: bool = True

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


async def cluster_findings(
    client: AsyncClient, metadata: dict[str, Any], spec: dict[str, Any], brought: Mapping[tuple[str, str], Any]
) -> list[Finding]:
    """Every finding on what a training with these metadata and spec needs of its cluster, but for its store.

    `brought` are the (kind, name) of objects that come with the training. The spec of a manifest that the API refused
    may have any shape.
    """
    named = [item for item in _named(client.namespace, spec) if (item.kind, item.name) not in brought]
    found = await asyncio.gather(
        _kuberay(client),
        _queue(client, metadata),
        _ray_cluster(client, spec),
        *(_find(client, item) for item in dict.fromkeys(named)),
    )
    return [finding for finding in found if finding is not None]


async def _kuberay(client: AsyncClient) -> Finding:
    try:
        served = await client.api.get(_KUBERAY)
    except ApiError as error:
        if not error.not_found:
            raise
        return Finding.fail("kuberay", "the cluster does not know ray.io/v1", _INSTALL_KUBERAY)
    kinds = {resource["kind"] for resource in served.get("resources") or []}
    if missing := [kind for kind in ("RayCluster", "RayJob") if kind not in kinds]:
        return Finding.fail("kuberay", f"the cluster does not know {' and '.join(missing)}", _INSTALL_KUBERAY)
    try:
        document = await client.api.get(f"/openapi/v3{_KUBERAY}")
    except ApiError:
        return Finding.warn("kuberay", "RayCluster and RayJob are served; of which version is not known from here")
    schemas = _part(document, "components", "schemas")
    name = next((name for name in schemas if name.endswith(".RayCluster")), "")
    spec = _part(schemas, name, "properties", "spec", "properties")
    if spec and "authOptions" not in spec:
        return Finding.fail("kuberay", "its CRDs have no token authentication (authOptions)", _INSTALL_KUBERAY)
    return Finding.ok("kuberay", "RayCluster and RayJob are served, with token authentication")


async def _queue(client: AsyncClient, metadata: dict[str, Any]) -> Finding | None:
    name = _part(metadata, "labels").get("kueue.x-k8s.io/queue-name")
    if not name:
        return None
    try:
        group = await client.api.get("/apis/kueue.x-k8s.io")
    except ApiError as error:
        if not error.not_found:
            raise
        return Finding.warn("queue", f"Kueue is not installed, so that queue {name} holds nothing back")
    version = group["preferredVersion"]["groupVersion"]
    path = f"/apis/{version}/namespaces/{client.namespace}/localqueues/{name}"
    return await _find(client, _Named("queue", "LocalQueue", path, "the training would wait for ever: name another"))


async def _ray_cluster(client: AsyncClient, spec: dict[str, Any]) -> Finding | None:
    """The RayCluster of `clusterRef`, which must run the Ray that the trainer's image has."""
    name = _part(spec, "clusterRef").get("name")
    if not name:
        return None
    path = f"{_KUBERAY}/namespaces/{client.namespace}/rayclusters/{name}"
    found = await _get(client, path)
    if not isinstance(found, dict):
        return _absence(_Named("cluster", "RayCluster", path), found)
    theirs, ours = found["spec"].get("rayVersion"), _part(spec, "ray").get("version") or _default_ray_version()
    if theirs and ours and theirs != ours:
        return Finding.fail("cluster", f"RayCluster {name} runs Ray {theirs}, and spec.ray.version is {ours}")
    return Finding.ok("cluster", f"RayCluster {name} is there")


def _default_ray_version() -> str | None:
    """The version that a manifest without one asks for; None in the trainer's image, which has no operator in it."""
    try:
        from mnist_operator.api.spec import default_ray_version
    except ModuleNotFoundError:
        return None
    return default_ray_version()


async def _find(client: AsyncClient, named: _Named) -> Finding:
    found = await _get(client, named.path)
    if isinstance(found, dict):
        return Finding.ok(named.what, f"{named.kind} {named.name} is there")
    return _absence(named, found)


async def _get(client: AsyncClient, path: str) -> dict[str, Any] | int:
    """An object, or the status with which it is denied (403, 404)."""
    try:
        return await client.api.get(path)
    except ApiError as error:
        if error.status in (403, 404):
            return error.status
        raise


def _absence(named: _Named, status: int) -> Finding:
    if status == 403:
        return Finding.warn(named.what, f"{named.kind} {named.name} was not looked for: you may not read it")
    tell = Finding.fail if named.required else Finding.warn
    return tell(named.what, f"{named.kind} {named.name} does not exist", named.action)


def _named(namespace: str, spec: dict[str, Any]) -> Iterator[_Named]:
    """What a training names beside its store: identity, registry credentials, and what its pod templates use."""
    core = f"/api/v1/namespaces/{namespace}"
    account = _part(spec, "serviceAccount")
    if account.get("create") is False and account.get("name"):
        action = "create it, or leave spec.serviceAccount out: then one is made"
        yield _Named("account", "ServiceAccount", f"{core}/serviceaccounts/{account['name']}", action)
    if name := _part(spec, "code", "configMap").get("name"):
        path = f"{core}/configmaps/{name}"
        yield _Named("code", "ConfigMap", path, "create it from the files of the code; the pods wait for it")
    for name in _names(_part(spec, "ray").get("imagePullSecrets")):
        yield _Named("registry", "Secret", f"{core}/secrets/{name}", required=False)
    workers = _part(spec, "workers")
    groups = workers.get("additionalGroups")
    for part in (_part(spec, "head"), workers, *(groups if isinstance(groups, list) else [])):
        pod = _part(part, "template", "spec")
        for field, what, kind, collection in (
            ("priorityClassName", "priority", "PriorityClass", "/apis/scheduling.k8s.io/v1/priorityclasses"),
            ("runtimeClassName", "runtime", "RuntimeClass", "/apis/node.k8s.io/v1/runtimeclasses"),
            ("serviceAccountName", "account", "ServiceAccount", f"{core}/serviceaccounts"),
        ):
            if wanted := pod.get(field):
                yield _Named(what, kind, f"{collection}/{wanted}")
        yield from _used(core, pod)


def _part(value: Any, *keys: str) -> dict[str, Any]:
    """An object within another. What stands elsewhere in a manifest may be anything: the API did not accept it."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _names(items: Any) -> list[str]:
    listed = items if isinstance(items, list) else []
    return [str(item["name"]) for item in listed if isinstance(item, dict) and item.get("name")]


_USES = {
    "configMap": ("name", "ConfigMap", "configmaps"),
    "configMapRef": ("name", "ConfigMap", "configmaps"),
    "configMapKeyRef": ("name", "ConfigMap", "configmaps"),
    "secret": ("secretName", "Secret", "secrets"),
    "secretRef": ("name", "Secret", "secrets"),
    "secretKeyRef": ("name", "Secret", "secrets"),
    "persistentVolumeClaim": ("claimName", "PersistentVolumeClaim", "persistentvolumeclaims"),
}


def _used(core: str, part: Any) -> Iterator[_Named]:
    """ConfigMaps, Secrets and claims that volumes and variables of a pod use, wherever they stand in it."""
    if isinstance(part, list):
        for item in part:
            yield from _used(core, item)
    elif isinstance(part, dict):
        for key, value in part.items():
            field, kind, plural = _USES.get(key, ("", "", ""))
            if field and isinstance(value, dict) and value.get(field) and not value.get("optional"):
                yield _Named("template", kind, f"{core}/{plural}/{value[field]}")
            else:
                yield from _used(core, value)
