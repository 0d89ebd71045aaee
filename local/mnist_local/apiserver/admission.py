"""What may change or refuse a write between decoding and storing."""

from __future__ import annotations

from mnist_local.apiserver.errors import ApiError, Obj, forbidden, not_found
from mnist_local.apiserver.objectmeta import generate_name
from mnist_local.apiserver.policies import Policies
from mnist_local.apiserver.rbac import Authorizer
from mnist_local.apiserver.request import Write
from mnist_local.apiserver.store import Store

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path, not a secret
_IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
_TOKEN_VOLUME = "kube-api-access-"  # noqa: S105 - the beginning of a name


class Admission:
    """The plugins that are always on, as one chain around the validation of an object."""

    def __init__(self, store: Store, authorizer: Authorizer) -> None:
        self._store = store
        self._authorizer = authorizer
        self._policies = Policies(store)

    def mutate(self, write: Write, obj: Obj, old: Obj | None) -> None:
        """Refuse what has no place to be, and complete new pods, in place; `old` is None on create.

        Raises:
            ApiError: 403; 404, no such namespace.
        """
        if old is not None:
            return
        if write.resource.namespaced:
            self._check_namespace(write, obj)
        if write.resource.table_name == "pods":
            self._give_account(write, obj)

    def validate(self, write: Write, obj: Obj | None, old: Obj | None) -> None:
        """Refuse a write of a valid object; `obj` is None on delete.

        Raises:
            ApiError: 403, or what a policy says.
        """
        if obj is None and write.resource.table_name == "namespaces" and write.name in _IMMORTAL:
            raise forbidden("", "namespaces", write.name, "this namespace may not be deleted")
        if obj is not None:
            self._authorizer.check_grant(write, obj, old)
        self._policies.check(write, obj, old)

    def _check_namespace(self, write: Write, obj: Obj) -> None:
        entry = self._store.table("namespaces").get("", write.namespace)
        if entry is None:
            raise not_found("", "namespaces", write.namespace)
        if "deletionTimestamp" in entry.obj["metadata"]:
            why = f"unable to create new content in namespace {write.namespace} because it is being terminated"
            error = _refused(write, obj, why)
            message = f"namespace {write.namespace} is being terminated"
            cause = {"reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace"}
            error.details["causes"] = [cause]
            raise error

    def _give_account(self, write: Write, obj: Obj) -> None:
        """Give a pod its ServiceAccount and, as a volume, that account's token."""
        spec = obj["spec"]
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        entry = self._store.table("serviceaccounts").get(write.namespace, name)
        if entry is None:
            why = f'error looking up service account {write.namespace}/{name}: serviceaccount "{name}" not found'
            raise _refused(write, obj, why)
        if entry.obj.get("imagePullSecrets") and not spec.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in entry.obj["imagePullSecrets"]]
        chosen = spec.get("automountServiceAccountToken")
        if (entry.obj.get("automountServiceAccountToken") if chosen is None else chosen) is not False:
            _mount_token(spec)


def _refused(write: Write, obj: Obj, why: str) -> ApiError:
    return forbidden(write.resource.group, write.resource.plural, obj["metadata"].get("name", ""), why)


def _mount_token(spec: Obj) -> None:
    volumes: list[Obj] = spec.setdefault("volumes", [])
    present = next((volume["name"] for volume in volumes if volume.get("name", "").startswith(_TOKEN_VOLUME)), None)
    name = present or generate_name(_TOKEN_VOLUME)
    for container in [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]:
        mounts: list[Obj] = container.setdefault("volumeMounts", [])
        if not any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
            mounts.append({"name": name, "readOnly": True, "mountPath": TOKEN_PATH})
    if present is None:
        volumes.append({"name": name, "projected": {"sources": _token_sources(), "defaultMode": 420}})


def _token_sources() -> list[Obj]:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
