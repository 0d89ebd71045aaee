"""An API server to install on: an embedded one, or that of MNIST_TEST_KUBECONFIG (an administrator's, with a token)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.apiserver import start_apiserver
from tests.support.cluster import Cluster, new_namespace
from tests.support.installation import Installation, unique
from tests.support.manifests import ROOT
from tests.support.wait import wait_for

from mnist_operator.api import crd

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KUBERAY_CRDS = ROOT / "local" / "mnist_local" / "kuberay" / "crds"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster, with KubeRay's CRDs there."""
    given = os.environ.get("MNIST_TEST_KUBECONFIG")
    server = None if given else start_apiserver(tmp_path_factory.mktemp("api"))
    connected = Cluster.connect(Path(given) if given else server.kubeconfig)  # type: ignore[union-attr]
    for path in sorted(KUBERAY_CRDS.glob("*.yaml")):
        apply_crd(connected, path.read_text())
    yield connected
    connected.close()
    if server:
        server.stop()


def apply_crd(cluster: Cluster, text: str) -> None:
    """Create a CRD, unless it is there, and wait until it is served."""
    document = yaml.safe_load(text)
    name = document["metadata"]["name"]
    assert cluster.request("POST", CRDS, document).status in {201, 409}

    def established() -> bool:
        status = cluster.request("GET", f"{CRDS}/{name}").body.get("status") or {}
        return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or [])

    wait_for(established, f"{name} to be established")


@pytest.fixture
def our_crd(cluster: Cluster) -> None:
    """Our CRD, for tests that do not let Helm install it."""
    apply_crd(cluster, crd.crd_text())


@pytest.fixture
def installation(cluster: Cluster) -> Iterator[Installation]:
    """A release in a namespace of its own, uninstalled at the end."""
    with new_namespace(cluster) as name:
        release = Installation(cluster, name, unique("mnist-operator"))
        yield release
        release.uninstall()
