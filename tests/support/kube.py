"""A plain client of an API server, for tests: paths in, objects out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.blocking import wait
from tests.support.cluster import Cluster

from mnist_kube.client import JSON_PATCH, MERGE_PATCH
from mnist_kube.objects import Object


class Kube:
    """One server, with an administrator's rights."""

    def __init__(self, cluster: Cluster) -> None:
        self._api = cluster.api

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Kube:
        """Connect as the current context of a kubeconfig says."""
        return cls(Cluster.connect(path))

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Object:
        """Send one request and return the answer; raise ApiError for a refusal."""
        return wait(self._api.request(method, path, body, content_type=content_type))

    def get(self, path: str) -> Object | None:
        """Return an object, or None when there is none."""
        return wait(self._api.find(path))

    def items(self, path: str) -> list[Object]:
        """Return the items of a list."""
        return list(self.request("GET", path).get("items") or [])

    def create(self, path: str, body: Object) -> Object:
        """POST an object."""
        return self.request("POST", path, body)

    def merge(self, path: str, body: Object) -> Object:
        """PATCH an object with a merge patch."""
        return self.request("PATCH", path, body, MERGE_PATCH)

    def json_patch(self, path: str, body: list[Object]) -> Object:
        """PATCH an object with a JSON patch."""
        return self.request("PATCH", path, body, JSON_PATCH)

    def delete(self, path: str) -> Object:
        """DELETE an object."""
        return self.request("DELETE", path)
