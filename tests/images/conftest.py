"""The images, built once, and an API server with the operator's manifests installed."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.cluster import Cluster
from tests.support.kube import Kube
from tests.support.shipped import REPOSITORY, Engine, Identity, Image, OperatorWheel, Shipped

SYSTEM = "mnist-system"
ACCOUNT_PLACE = "/var/run/secrets/kubernetes.io/serviceaccount"


def build_arguments() -> dict[str, str]:
    """What `make test-images` was given, as the Dockerfiles' arguments."""
    names = ("BASE_IMAGE", "TORCH_INDEX_URL", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
    return {name: os.environ.get(name, "") for name in names}


@pytest.fixture(scope="session")
def engine() -> Engine | None:
    """The container engine, if there is one."""
    return Engine.find()


@pytest.fixture(scope="session")
def operator(engine: Engine | None, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """The operator as it ships; without an engine its wheel."""
    if engine is None:
        folder = tmp_path_factory.mktemp("wheel")
        for parent in (folder, folder.parent, folder.parent.parent):
            parent.chmod(0o755)
        return OperatorWheel.install(folder)
    engine.build("Dockerfile.operator", "mnist-training/operator:test", build_arguments())
    return Image(engine, "mnist-training/operator:test")


@dataclass(frozen=True)
class Installed:
    """An API server that holds deploy/base, and what the Deployment says of its container."""

    server: ApiServer
    kube: Kube
    deployment: dict[str, Any]
    account: Path

    @property
    def identity(self) -> Identity:
        """The user and group of the Deployment."""
        context = self.deployment["spec"]["template"]["spec"]["securityContext"]
        return Identity(context["runAsUser"], context["runAsGroup"])

    @property
    def args(self) -> list[str]:
        """The arguments of the Deployment's container."""
        args: list[str] = self._container["args"]
        return args

    def env(self, port: int) -> dict[str, str]:
        """The environment that the kubelet makes, with the health port on a free one, for the network is the host's."""
        host, _, api_port = self.server.url.removeprefix("https://").partition(":")
        given = {entry["name"]: entry["value"] for entry in self._container["env"]}
        kubernetes = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": api_port}
        return {**given, **kubernetes, "MNIST_OPERATOR_HEALTH_PORT": str(port)}

    @property
    def _container(self) -> dict[str, Any]:
        container: dict[str, Any] = self.deployment["spec"]["template"]["spec"]["containers"][0]
        return container


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """deploy/base and KubeRay's CRDs on an API server, and a token of the operator's ServiceAccount."""
    folder = tmp_path_factory.mktemp("api")
    server = start_apiserver(folder)
    crds = REPOSITORY / "local" / "mnist_local" / "kuberay" / "crds"
    for arguments in (["-k", "deploy/base"], ["-f", str(crds)]):
        command = ["kubectl", "apply", "--server-side", *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, env=server.env(), capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    cluster = Cluster.connect(server.kubeconfig)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    path = cluster.core(SYSTEM, "serviceaccounts", "mnist-operator")
    token = cluster.expect(201, "POST", f"{path}/token", request).body["status"]["token"]
    account = folder / "account"
    account.mkdir(mode=0o755)
    for name, text in (("token", token), ("ca.crt", server.ca_file.read_text()), ("namespace", SYSTEM)):
        (account / name).write_text(text)
        (account / name).chmod(0o644)
    kube = Kube(cluster)
    deployment = kube.get(f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/mnist-operator")
    assert deployment is not None
    yield Installed(server, kube, deployment, account)
    server.stop()


def apply_quickstart(installed: Installed, namespace: str) -> None:
    """Create a namespace with credentials and examples/quickstart.yaml."""
    core = "/api/v1/namespaces"
    installed.kube.create(core, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "minio-credentials"},
        "data": {key: base64.b64encode(b"canary").decode() for key in keys},
    }
    installed.kube.create(f"{core}/{namespace}/secrets", secret)
    training = yaml.safe_load((REPOSITORY / "examples" / "quickstart.yaml").read_text())
    training["metadata"]["namespace"] = namespace
    path = f"/apis/mnist.training/v1alpha1/namespaces/{namespace}/mnisttrainings"
    installed.kube.create(path, training)


def find_raycluster(installed: Installed, namespace: str) -> dict[str, Any] | None:
    """The RayCluster that the operator has made, if it has."""
    found = installed.kube.items(f"/apis/ray.io/v1/namespaces/{namespace}/rayclusters")
    return found[0] if found else None
