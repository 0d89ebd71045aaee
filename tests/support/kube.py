"""A plain client of an API server, for tests: paths in, objects out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.cluster import Cluster

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
    """One server, with an administrator's rights."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Kube:
        """Connect as the current context of a kubeconfig says."""
        return cls(Cluster.connect(path))

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Object:
        """Send one request and return the answer; raise KubeError for a refusal."""
        response = self._cluster.request(method, path, body, content_type=content_type)
        answer: Object = response.body if isinstance(response.body, dict) else {"message": str(response.body)}
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
