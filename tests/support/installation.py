"""The chart installed by the real Helm engine, and identities by their own tokens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import helm_python
import yaml
from tests.support.cluster import Cluster
from tests.support.kube import Kube
from tests.support.manifests import CHART

SELF_REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


class Installation:
    """One release of the chart."""

    def __init__(self, cluster: Cluster, namespace: str, release: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.release = release

    @contextmanager
    def helm(self) -> Iterator[helm_python.Config]:
        """Open Helm on the cluster."""
        with helm_python.Config(kubeconfig_path=str(self.cluster.kubeconfig), namespace=self.namespace) as config:
            yield config

    def install(self, values: dict[str, Any], chart: Path = CHART) -> None:
        """Install the chart."""
        with self.helm() as helm:
            helm.install(str(chart), self.release, values, namespace=self.namespace, create_namespace=True)

    def upgrade(self, values: dict[str, Any], chart: Path = CHART) -> None:
        """Upgrade to a chart or to other values."""
        with self.helm() as helm:
            helm.upgrade(str(chart), self.release, values, namespace=self.namespace)

    def uninstall(self) -> None:
        """Uninstall; fine when it is not installed."""
        with self.helm() as helm:
            helm.uninstall(self.release, ignore_not_found=True)

    def token(self, account: str = "", namespace: str = "") -> str:
        """Return a token of a ServiceAccount: by default the operator's."""
        path = self.cluster.core(namespace or self.namespace, "serviceaccounts", account or self.release)
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        return str(self.cluster.expect(201, "POST", f"{path}/token", body).body["status"]["token"])

    def kubeconfig(self, folder: Path, token: str) -> Path:
        """Write a kubeconfig with nothing but a token."""
        cluster = yaml.safe_load(self.cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path = folder / f"{self.release}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(config))
        return path

    def client(self, folder: Path, token: str) -> Kube:
        """Return a client with the rights of a token."""
        return Kube.from_kubeconfig(self.kubeconfig(folder, token))


def unique(prefix: str) -> str:
    """Return a name that no other test has."""
    return f"{prefix}-{secrets.token_hex(3)}"


def may(kube: Kube, verb: str, group: str, resource: str, namespace: str = "", name: str = "") -> bool:
    """Ask the API server whether this identity has a right."""
    resource, _, subresource = resource.partition("/")
    attributes = {
        "verb": verb, "group": group, "resource": resource, "subresource": subresource,
        "namespace": namespace, "name": name,
    }  # fmt: skip
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    return bool(kube.create(SELF_REVIEW, review)["status"]["allowed"])
