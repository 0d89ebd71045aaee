"""A plain client of an API server, for tests: paths in, objects out."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import urllib3
import yaml

Object = dict[str, Any]
TRAININGS = "/apis/mnist.training/v1alpha1/namespaces/{}/mnisttrainings"
CLUSTERS = "/apis/ray.io/v1/namespaces/{}/rayclusters"
JOBS = "/apis/ray.io/v1/namespaces/{}/rayjobs"
EVENTS = "/apis/events.k8s.io/v1/namespaces/{}/events"


class KubeError(Exception):
    """The server refused a request."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status} {body.get('reason')}: {body.get('message')}")
        self.status = status
        self.body = body


class Kube:
    """One server, with an administrator's rights or with those of a token."""

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self._pool = urllib3.PoolManager(
            ssl_context=ssl.create_default_context(cafile=str(ca_file)), timeout=10, retries=False
        )
        self._url = url
        self._token = token

    @classmethod
    def from_kubeconfig(cls, path: Path, scratch: Path) -> Kube:
        """Connect as the current context of a kubeconfig with a token says."""
        import base64

        config = yaml.safe_load(path.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        ca_file = cluster.get("certificate-authority")
        if ca_file is None:
            ca_file = scratch / "ca.crt"
            ca_file.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
        return cls(cluster["server"], Path(ca_file), user["token"])

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Object:
        """Send one request and return the answer; raise KubeError for a refusal."""
        response = self._pool.request(
            method,
            self._url + path,
            body=None if body is None else json.dumps(body),
            headers={
                "Accept": "application/json",
                "Content-Type": content_type,
                "Authorization": f"Bearer {self._token}",
            },
        )
        answer = json.loads(response.data or b"{}")
        if response.status >= 400:
            raise KubeError(response.status, answer)
        return answer

    def get(self, path: str) -> Object | None:
        """Return an object, or None when there is none."""
        try:
            return self.request("GET", path)
        except KubeError as error:
            if error.status == 404:
                return None
            raise

    def items(self, path: str) -> list[Object]:
        """Return the items of a list."""
        return list(self.request("GET", path).get("items") or [])

    def create(self, path: str, body: Object) -> Object:
        """POST an object."""
        return self.request("POST", path, body)

    def merge(self, path: str, body: Object) -> Object:
        """PATCH an object with a merge patch."""
        return self.request("PATCH", path, body, "application/merge-patch+json")

    def json_patch(self, path: str, body: list[Object]) -> Object:
        """PATCH an object with a JSON patch."""
        return self.request("PATCH", path, body, "application/json-patch+json")

    def delete(self, path: str) -> Object:
        """DELETE an object."""
        return self.request("DELETE", path)
