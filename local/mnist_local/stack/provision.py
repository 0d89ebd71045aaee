"""What an administrator does before the first training: CRDs, the operator's identity and rights, the Secret."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import yaml

from mnist_local import kuberay
from mnist_local.apiserver.pki import kubeconfig, write_private
from mnist_local.kuberay.kubeapi import ApiError, KubeApi
from mnist_local.stack.errors import StackError
from mnist_local.stack.parts import S3Credentials

Object = dict[str, Any]

SECRET = "minio-credentials"  # noqa: S105 - its name, which is the manifests' default
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_NAMESPACE = "mnist-system"
_OPERATOR = "mnist-operator"
_TOKEN_SECONDS = 10 * 365 * 24 * 3600  # nobody renews it; it ends with the API server
_ESTABLISHED_S = 20.0


async def install_definitions(api: KubeApi) -> None:
    """Install KubeRay's CRDs and ours, and wait until they are served."""
    from mnist_operator.api.crd import crd_text

    folder = Path(kuberay.__file__).parent / "crds"
    texts = [crd_text(), *(path.read_text() for path in sorted(folder.glob("*.yaml")))]
    documents: list[Object] = [yaml.load(text, Loader=_FAST) for text in texts]  # noqa: S506 - a safe loader
    await asyncio.gather(*(create(api, _CRDS, document) for document in documents))
    await asyncio.gather(*(_established(api, document["metadata"]["name"]) for document in documents))


async def install_operator_identity(api: KubeApi, path: Path) -> None:
    """Make the operator's ServiceAccount with exactly its rights, and write a kubeconfig for it to `path`."""
    from mnist_operator.rights import CLUSTER_RULES, NAMESPACED_RULES

    meta = {"name": _OPERATOR, "labels": {"app.kubernetes.io/name": _OPERATOR}}
    await ensure_namespace(api, _NAMESPACE)
    accounts = f"/api/v1/namespaces/{_NAMESPACE}/serviceaccounts"
    await create(api, accounts, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
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
    answer = await api.request("POST", f"{accounts}/{_OPERATOR}/token", request)
    write_private(path, kubeconfig(api.connection.server, api.connection.ca_pem, answer["status"]["token"]))


async def install_credentials(api: KubeApi, namespace: str, endpoint: str, credentials: S3Credentials) -> None:
    """Make the Secret that manifests name by default, in a namespace that is made if need be."""
    await ensure_namespace(api, namespace)
    values = {
        "AWS_ACCESS_KEY_ID": credentials.access_key,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_key,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": "us-east-1",
    }
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET, "labels": {"app.kubernetes.io/managed-by": "mnist-local"}},
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
    await create(api, f"/api/v1/namespaces/{namespace}/secrets", secret)


async def ensure_namespace(api: KubeApi, name: str) -> None:
    """Make a namespace unless it is there."""
    await create(api, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


async def create(api: KubeApi, path: str, body: Object) -> None:
    """POST an object; one of its name that is there already is left as it is."""
    try:
        await api.request("POST", path, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise


async def _established(api: KubeApi, name: str) -> None:
    deadline = time.monotonic() + _ESTABLISHED_S
    while time.monotonic() < deadline:
        status = (await api.request("GET", f"{_CRDS}/{name}")).get("status") or {}
        if any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or []):
            return
        await asyncio.sleep(0.02)
    raise StackError(f"the API server did not serve the CustomResourceDefinition {name} in time")


_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # KubeRay's CRDs have 30,000 lines
