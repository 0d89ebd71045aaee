"""`mnistctl check`: everything a manifest names, before it is applied.

The API server judges the manifest itself (a server-side dry run, which also fills in the defaults); then the objects it
names are looked for, KubeRay among them, and the store is asked. Nothing is changed but for an empty object that is
written to the output and deleted again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mnist_cli.errors import CommandError
from mnist_cli.trainings.manifests import Document, read
from mnist_cli.workstation import submit
from mnist_cli.workstation.findings import Finding, as_json, as_lines, to_json
from mnist_cli.workstation.overrides import overridden
from mnist_cli.workstation.session import Session, explained
from mnist_cli.workstation.storage_check import Storage, storage_findings
from mnist_kube.errors import ApiError

_KUBERAY = "/apis/ray.io/v1"
_INSTALL_KUBERAY = "install KubeRay 1.5.1 or later, with its CRDs"


@dataclass(frozen=True)
class CheckRequest:
    """What the user asked for. `endpoint` is where the store is seen from here."""

    manifest: Path
    settings: list[str]
    endpoint: str | None = None
    as_json: bool = False


@dataclass(frozen=True)
class _Named:
    """An object that a manifest names: what it is there for, and where the API has it."""

    what: str
    kind: str
    path: str
    action: str = ""
    required: bool = True


async def check(session: Session, request: CheckRequest) -> int:
    """Check every training of a file and print what was found; returns 0 if all of them would run, else 1."""
    documents = read(request.manifest)
    trainings = [Document(overridden(item.body, request.settings)) for item in documents if item.is_training]
    reports, usual = [], session.namespace
    for training in trainings:
        session.namespace = usual
        submit.settle_namespace(session, training)
        findings = await _findings(session, training, documents, request.endpoint)
        reports.append(as_json(training.name, findings))
        if not request.as_json:
            print("\n".join([f"{session.namespace}/{training.name}", *as_lines(findings)]), flush=True)
    if request.as_json:
        print(to_json(reports))
    return 0 if all(report["ok"] for report in reports) else 1


async def _findings(
    session: Session, training: Document, documents: list[Document], endpoint: str | None
) -> list[Finding]:
    about_manifest, spec = await _dry_run(session, training)
    brought = {(item.kind, item.name): item.body for item in documents if not item.is_training}
    metadata = training.body["metadata"]
    named = [item for item in _named(session.namespace, metadata, spec) if (item.kind, _name(item)) not in brought]
    looked_up = [_find(session, item) for item in dict.fromkeys(named)]
    others = await asyncio.gather(_kuberay(session), _queue(session, metadata), _cluster(session, spec), *looked_up)
    findings = [about_manifest, *(finding for finding in others if finding is not None)]
    try:
        storage = Storage.of(session.namespace, spec, endpoint)
    except (KeyError, TypeError):
        return [*findings, Finding.warn("storage", "was not checked, since the manifest is not accepted")]
    return findings + await storage_findings(session, storage, brought.get(("Secret", storage.secret)))


async def _dry_run(session: Session, training: Document) -> tuple[Finding, dict[str, Any]]:
    """What the API says to a manifest, and its spec: with the defaults where it is accepted."""
    request = submit.Submission(Path(), [], dry_run=True)
    try:
        done, after = await submit.apply(session, request, training)
    except CommandError as error:
        return Finding.fail("manifest", error.message), _part(training.body, "spec")
    except ApiError as error:
        told = explained(error, session.connection.server)
        if error.status == 401 or told.exit_code != 2:
            raise
        return Finding.fail("manifest", told.message), _part(training.body, "spec")
    return Finding.ok("manifest", f"{session.connection.server} accepts it (it would be {done})"), after["spec"]


async def _kuberay(session: Session) -> Finding:
    try:
        served = await session.get(_KUBERAY)
    except ApiError as error:
        if error.status != 404:
            raise
        return Finding.fail("kuberay", "the cluster does not know ray.io/v1", _INSTALL_KUBERAY)
    kinds = {resource["kind"] for resource in served.get("resources") or []}
    if missing := [kind for kind in ("RayCluster", "RayJob") if kind not in kinds]:
        return Finding.fail("kuberay", f"the cluster does not know {' and '.join(missing)}", _INSTALL_KUBERAY)
    try:
        document = await session.get(f"/openapi/v3{_KUBERAY}")
    except ApiError:
        return Finding.warn("kuberay", "RayCluster and RayJob are served; of which version is not known from here")
    schemas = _part(document, "components", "schemas")
    name = next((name for name in schemas if name.endswith(".RayCluster")), "")
    spec = _part(schemas, name, "properties", "spec", "properties")
    if spec and "authOptions" not in spec:
        return Finding.fail("kuberay", "its CRDs have no token authentication (authOptions)", _INSTALL_KUBERAY)
    return Finding.ok("kuberay", "RayCluster and RayJob are served, with token authentication")


async def _queue(session: Session, metadata: dict[str, Any]) -> Finding | None:
    name = _part(metadata, "labels").get("kueue.x-k8s.io/queue-name")
    if not name:
        return None
    try:
        group = await session.get("/apis/kueue.x-k8s.io")
    except ApiError as error:
        if error.status != 404:
            raise
        return Finding.warn("queue", f"Kueue is not installed, so that queue {name} holds nothing back")
    version = group["preferredVersion"]["groupVersion"]
    path = f"/apis/{version}/namespaces/{session.namespace}/localqueues/{name}"
    return await _find(session, _Named("queue", "LocalQueue", path, "the training would wait for ever: name another"))


async def _cluster(session: Session, spec: dict[str, Any]) -> Finding | None:
    """The RayCluster of `clusterRef`, which must run the Ray that the trainer's image has."""
    name = _part(spec, "clusterRef").get("name")
    if not name:
        return None
    path = f"{_KUBERAY}/namespaces/{session.namespace}/rayclusters/{name}"
    found = await _get(session, path)
    if not isinstance(found, dict):
        return _absence(_Named("cluster", "RayCluster", path), found)
    theirs, ours = found["spec"].get("rayVersion"), _part(spec, "ray").get("version")
    if theirs and ours and theirs != ours:
        return Finding.fail("cluster", f"RayCluster {name} runs Ray {theirs}, and spec.ray.version is {ours}")
    return Finding.ok("cluster", f"RayCluster {name} is there")


async def _find(session: Session, named: _Named) -> Finding:
    found = await _get(session, named.path)
    if isinstance(found, dict):
        return Finding.ok(named.what, f"{named.kind} {_name(named)} is there")
    return _absence(named, found)


async def _get(session: Session, path: str) -> dict[str, Any] | int:
    """An object, or the status with which it is denied (403, 404)."""
    try:
        return await session.get(path)
    except ApiError as error:
        if error.status in (403, 404):
            return error.status
        raise


def _absence(named: _Named, status: int) -> Finding:
    if status == 403:
        return Finding.warn(named.what, f"{named.kind} {_name(named)} was not looked for: you may not read it")
    tell = Finding.fail if named.required else Finding.warn
    return tell(named.what, f"{named.kind} {_name(named)} does not exist", named.action)


def _name(named: _Named) -> str:
    return named.path.rpartition("/")[2]


def _named(namespace: str, metadata: dict[str, Any], spec: dict[str, Any]) -> Iterator[_Named]:
    """What a training names beside its store: identity, registry credentials, and what its pod templates use."""
    core = f"/api/v1/namespaces/{namespace}"
    account = _part(spec, "serviceAccount")
    if account.get("create") is False and account.get("name"):
        action = "create it, or leave spec.serviceAccount out: then one is made"
        yield _Named("account", "ServiceAccount", f"{core}/serviceaccounts/{account['name']}", action)
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
