"""What an administrator does before the first training: CRDs, the operator's identity and rights, the Secret."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import yaml

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import CRDS, NAMESPACES, SECRETS, SERVICEACCOUNTS
from mnist_local.apiserver.pki import kubeconfig, write_private
from mnist_local.kuberay.crds import documents
from mnist_local.stack.parts import S3Credentials

SECRET = "minio-credentials"  # noqa: S105 - its name, which is the manifests' default
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_NAMESPACE = "mnist-system"
_OPERATOR = "mnist-operator"
_TOKEN_SECONDS = 10 * 365 * 24 * 3600  # nobody renews it; it ends with the API server


async def install_definitions(api: KubeApi) -> None:
    """Install KubeRay's CRDs and ours. Our API server serves them at once."""
    from mnist_operator.api.crd import crd_text

    ours: Object = yaml.load(crd_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both safe
    await asyncio.gather(*(create(api, CRDS.path(), document) for document in (ours, *documents())))


async def install_operator_identity(api: KubeApi, path: Path) -> None:
    """Make the operator's ServiceAccount with exactly its rights, and write a kubeconfig for it to `path`."""
    from mnist_operator.rights import CLUSTER_RULES, NAMESPACED_RULES

    meta = {"name": _OPERATOR, "labels": {"app.kubernetes.io/name": _OPERATOR}}
    await ensure_namespace(api, _NAMESPACE)
    await create(
        api, SERVICEACCOUNTS.path(_NAMESPACE), {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    )
    rules = [*NAMESPACED_RULES, *CLUSTER_RULES]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}
    await create(api, f"{_RBAC}/clusterroles", role)
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": _OPERATOR},
        "subjects": [{"kind": "ServiceAccount", "name": _OPERATOR, "namespace": _NAMESPACE}],
    }
    await create(api, f"{_RBAC}/clusterrolebindings", binding)
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _TOKEN_SECONDS},
    }
    answer = await api.create(SERVICEACCOUNTS.path(_NAMESPACE, _OPERATOR, "token"), request)
    write_private(path, kubeconfig(api.connection.server, api.connection.ca_pem, answer["status"]["token"]))


async def install_credentials(api: KubeApi, namespace: str, endpoint: str, credentials: S3Credentials) -> None:
    """Make the Secret that manifests name by default, in a namespace that is made if need be."""
    await ensure_namespace(api, namespace)
    values = credentials.variables(endpoint)
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "labels": {"app.kubernetes.io/managed-by": "mnist-local"}},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
    await create(api, SECRETS.path(namespace), secret)


async def ensure_namespace(api: KubeApi, name: str) -> None:
    """Make a namespace unless it is there."""
    await create(api, NAMESPACES.path(), {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


async def create(api: KubeApi, path: str, body: Object) -> None:
    """POST an object; one of its name that is there already is left as it is."""
    try:
        await api.create(path, body)
    except ApiError as error:
        if not error.already_exists:
            raise
