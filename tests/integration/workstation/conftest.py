"""`mnistctl` against an embedded API server; the test plays operator, KubeRay and trainer."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.integration.operator.conftest import apply_crd
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.cluster import Cluster
from tests.support.kube import Kube
from tests.support.scene import Ran, Scene

from mnist_cli import __main__
from mnist_operator.api import crd


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    handle = start_apiserver(tmp_path_factory.mktemp("api"))
    yield handle
    handle.stop()


@pytest.fixture(scope="package")
def kube(server: ApiServer) -> Iterator[Kube]:
    cluster = Cluster.connect(server.kubeconfig)
    client = Kube(cluster)
    apply_crd(client, yaml.safe_load(crd.crd_text()))
    yield client
    cluster.close()


@pytest.fixture
def scene(
    server: ApiServer,
    kube: Kube,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> Iterator[Scene]:
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    made = Scene(server, kube, namespace, tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def ctl(*arguments: str) -> Ran:
        code = __main__.main(list(arguments))
        sys.stdout.flush()
        captured = capfdbinary.readouterr()
        return Ran(code, captured.out.decode(), captured.err.decode())

    made.ctl = ctl
    yield made
    kube.delete(f"/api/v1/namespaces/{namespace}")
