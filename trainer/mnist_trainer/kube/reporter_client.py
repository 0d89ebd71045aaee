"""A client for exactly two calls, on urllib3: the full Kubernetes client would cost a second of start-up."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

_DEFAULT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"
_TRAININGS = "/apis/mnist.training/v1alpha1/namespaces/{namespace}/mnisttrainings/{name}/status"
_SECRETS = "/api/v1/namespaces/{namespace}/secrets/{name}"


class KubeError(Exception):
    """The API refused a request. `status` is the HTTP status; 0 means that there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class KubeAccess:
    """Where the API is and the folder with this process's ServiceAccount token and CA."""

    host: str
    port: int
    directory: Path

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> KubeAccess | None:
        """The access that a pod's environment describes; None outside of a pod."""
        host = env.get("KUBERNETES_SERVICE_HOST", "")
        if not host:
            return None
        port = int(env.get("KUBERNETES_SERVICE_PORT") or 443)
        return cls(host, port, Path(env.get("MNIST_SERVICEACCOUNT_DIR") or _DEFAULT_DIRECTORY))


class ReporterClient:
    """Requests with the ServiceAccount's token, which is read anew each time because the kubelet renews it."""

    def __init__(self, access: KubeAccess, timeout: float = 5.0) -> None:
        self._access = access
        host = f"[{access.host}]" if ":" in access.host else access.host
        self._base = f"https://{host}:{access.port}"
        self._http = urllib3.PoolManager(
            ca_certs=str(access.directory / "ca.crt"),
            timeout=urllib3.Timeout(connect=timeout, read=timeout),
            retries=False,
        )

    def patch_training_status(self, namespace: str, name: str, patch: list[dict[str, Any]]) -> dict[str, Any]:
        """Apply a JSON patch (RFC 6902) to the status; returns the whole training. An empty patch only reads."""
        path = _TRAININGS.format(namespace=namespace, name=name)
        return self._request("PATCH", path, json.dumps(patch).encode(), "application/json-patch+json")

    def read_secret(self, namespace: str, name: str) -> dict[str, str]:
        """The Secret's text values; binary ones are left out."""
        answer = self._request("GET", _SECRETS.format(namespace=namespace, name=name))
        values = {}
        for key, encoded in (answer.get("data") or {}).items():
            try:
                values[key] = base64.b64decode(encoded).decode()
            except ValueError:
                continue
        return values

    def _request(
        self, method: str, path: str, body: bytes | None = None, media_type: str | None = None
    ) -> dict[str, Any]:
        try:
            token = (self._access.directory / "token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            if media_type:
                headers["Content-Type"] = media_type
            response = self._http.request(method, self._base + path, body=body, headers=headers)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubeError(f"no answer from the Kubernetes API at {self._base}: {error}") from error
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = {}
        if response.status >= 300:
            message = answer.get("message") or response.reason or ""
            raise KubeError(
                f"the Kubernetes API answered {response.status} to {method} {path}: {message}", response.status
            )
        return answer if isinstance(answer, dict) else {}
