"""Gives each pod its ServiceAccount and, as a volume, that account's token."""

from __future__ import annotations

from mnist_local.apiserver.context import Context
from mnist_local.apiserver.errors import Obj, forbidden
from mnist_local.apiserver.rest.admission import Attributes, Plugin
from mnist_local.apiserver.rest.metadata import generate_name

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, not a secret
_PREFIX = "kube-api-access-"


def service_accounts(ctx: Context) -> Plugin:
    """Return the plugin over a server's ServiceAccounts."""
    table = ctx.store.table("serviceaccounts")

    def admit(attributes: Attributes) -> None:
        obj = attributes.obj
        if attributes.operation != "CREATE" or attributes.resource.table_name != "pods" or obj is None:
            return
        spec = obj["spec"]
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        entry = table.get(attributes.namespace, name)
        if entry is None:
            why = f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden("", "pods", attributes.name, why)
        account = entry.obj
        if account.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]
        if _wants_token(account, spec):
            _mount_token(spec)

    return admit


def _wants_token(account: Obj, spec: Obj) -> bool:
    chosen = spec.get("automountServiceAccountToken")
    if chosen is None:
        chosen = account.get("automountServiceAccountToken")
    return chosen is not False


def _mount_token(spec: Obj) -> None:
    volumes: list[Obj] = spec.setdefault("volumes", [])
    present = next((volume["name"] for volume in volumes if volume.get("name", "").startswith(_PREFIX)), None)
    name = present or generate_name(_PREFIX)
    used = False
    for kind in ("initContainers", "containers"):
        for container in spec.get(kind) or ():
            mounts: list[Obj] = container.setdefault("volumeMounts", [])
            if not any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
                mounts.append({"name": name, "readOnly": True, "mountPath": TOKEN_PATH})
                used = True
    if present is None and used:
        volumes.append(_token_volume(name))


def _token_volume(name: str) -> Obj:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [namespace]}},
            ],
            "defaultMode": 420,
        },
    }
