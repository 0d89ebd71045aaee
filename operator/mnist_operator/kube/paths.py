"""Where the kinds that the operator touches live in the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from mnist_operator.api import names

PLURALS: dict[tuple[str, str], str] = {
    ("v1", "Secret"): "secrets",
    ("v1", "Service"): "services",
    ("v1", "ServiceAccount"): "serviceaccounts",
    ("rbac.authorization.k8s.io/v1", "Role"): "roles",
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): "rolebindings",
    ("v1", "Event"): "events",
    ("coordination.k8s.io/v1", "Lease"): "leases",
    ("ray.io/v1", "RayCluster"): "rayclusters",
    ("ray.io/v1", "RayJob"): "rayjobs",
    (names.API_VERSION, names.KIND): names.PLURAL,
}


def collection_path(api_version: str, kind: str, namespace: str) -> str:
    """Return the path of a namespaced collection, such as /apis/ray.io/v1/namespaces/default/rayjobs."""
    root = f"/api/{api_version}" if "/" not in api_version else f"/apis/{api_version}"
    return f"{root}/namespaces/{quote(namespace)}/{PLURALS[api_version, kind]}"


def object_path(api_version: str, kind: str, namespace: str, name: str, subresource: str = "") -> str:
    """Return the path of one object, or of its subresource."""
    path = f"{collection_path(api_version, kind, namespace)}/{quote(name)}"
    return f"{path}/{subresource}" if subresource else path


def path_of(manifest: Mapping[str, Any], *, collection: bool = False) -> str:
    """Return the path of a manifest's object, or of its collection."""
    metadata = manifest["metadata"]
    where = (manifest["apiVersion"], manifest["kind"], metadata["namespace"])
    return collection_path(*where) if collection else object_path(*where, metadata["name"])
