"""What an administrator does before the first training: CRDs, the operator's identity and rights, the Secret."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path

import yaml

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object, is_true
from mnist_kube.resources import CRDS, NAMESPACES, SECRETS, SERVICEACCOUNTS
from mnist_local import kuberay
from mnist_local.apiserver.pki import kubeconfig, write_private
from mnist_local.stack.layout import StackError
from mnist_local.stack.parts import S3Credentials

SECRET = "minio-credentials"  # noqa: S105 - its name, which is the manifests' default
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_NAMESPACE = "mnist-system"
_OPERATOR = "mnist-operator"
_TOKEN_SECONDS = 10 * 365 * 24 * 3600  # nobody renews it; it ends with the API server
_ESTABLISHED_S = 20.0
_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def install_definitions(api: KubeApi) -> None:
    """Install KubeRay's CRDs and ours, and wait until they are served."""
    from mnist_operator.api.crd import crd_text

    folder = Path(kuberay.__file__).parent / "crds"
    texts = [crd_text(), *(path.read_text() for path in sorted(folder.glob("*.yaml")))]
    documents: list[Object] = [yaml.load(text, Loader=_FAST) for text in texts]  # noqa: S506 - a safe loader
    await asyncio.gather(*(create(api, CRDS.path(), document) for document in documents))
    await asyncio.gather(*(_established(api, document["metadata"]["name"]) for document in documents))


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


async def _established(api: KubeApi, name: str) -> None:
    deadline = time.monotonic() + _ESTABLISHED_S
    while time.monotonic() < deadline:
        status = (await api.get(CRDS.path(None, name))).get("status") or {}
        if is_true(status.get("conditions") or [], "Established"):
            return
        await asyncio.sleep(0.02)
    raise StackError(f"the API server did not serve the CustomResourceDefinition {name} in time")
