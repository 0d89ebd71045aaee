"""The ServiceAccount folder of a pod: token, ca.crt and namespace, as projected into every Kubernetes pod."""

import os
from datetime import UTC, datetime
from pathlib import Path

from mnist_local.kuberay.json_types import Json
from mnist_local.kuberay.kubeapi import SERVICEACCOUNTS, KubeApi

_LIFETIME_S = 3607  # what the kubelet asks for
_REFRESH_AT = 0.8


def name_of(pod: Json) -> str:
    """The ServiceAccount that the pod runs as."""
    return str(pod["spec"].get("serviceAccountName") or "default")


def is_wanted(pod: Json) -> bool:
    """Whether the pod wants a token at all."""
    return pod["spec"].get("automountServiceAccountToken") is not False


async def write(api: KubeApi, pod: Json, folder: Path) -> float:
    """Fetch a token bound to the pod and write the folder. Returns the seconds after which to do so again.

    Raises ApiError, 404 for a ServiceAccount that does not exist.
    """
    metadata = pod["metadata"]
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "expirationSeconds": _LIFETIME_S,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]},
        },
    }
    path = SERVICEACCOUNTS.path(metadata["namespace"], name_of(pod), "token")
    answer = await api.request("POST", path, request)
    _write_files(
        folder,
        {"token": answer["status"]["token"], "ca.crt": api.connection.ca_pem, "namespace": metadata["namespace"]},
    )
    expires = datetime.fromisoformat(answer["status"]["expirationTimestamp"])
    return max(1.0, (expires - datetime.now(UTC)).total_seconds() * _REFRESH_AT)


def _write_files(folder: Path, files: dict[str, str]) -> None:
    """Write so that a reader sees either the old or the new content of each file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, text in files.items():
        temporary = folder / f".{name}"
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        temporary.replace(folder / name)
