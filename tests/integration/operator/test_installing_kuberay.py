"""KubeRay may come after the operator: it stays up, says what is missing, and goes on when it comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.integration.operator.conftest import CRDS, Scene, apply_crd, kuberay_crds, scene  # noqa: F401
from tests.support.apiserver import start_apiserver
from tests.support.kube import Kube
from tests.support.operator import OperatorProcess
from tests.support.wait import wait_for

from mnist_operator.api import crd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Path]:
    """An API server of its own, without KubeRay's CRDs."""
    handle = start_apiserver(tmp_path)
    yield handle.kubeconfig
    handle.stop()


@pytest.fixture
def kube(server: Path) -> Kube:
    """An administrator's client, with our CRD alone."""
    client = Kube.from_kubeconfig(server)
    apply_crd(client, yaml.safe_load(crd.crd_text()))
    return client


def wait_until_missing(scene: Scene) -> None:  # noqa: F811
    scene.add_secret()
    scene.apply()
    status = scene.wait_status(phase="Pending", reason="KubeRayMissing")
    assert "install KubeRay 1.5.1 or later" in status["message"]
    ready = next(condition for condition in status["conditions"] if condition["type"] == "ClusterReady")
    assert (ready["status"], ready["reason"]) == ("False", "KubeRayMissing")


def install_kuberay(scene: Scene) -> None:  # noqa: F811
    for document in kuberay_crds():
        apply_crd(scene.kube, document)


def test_an_operator_of_all_namespaces_notices_kuberay(scene: Scene) -> None:  # noqa: F811
    operator = scene.start_operator(namespaces="")
    wait_until_missing(scene)
    install_kuberay(scene)
    scene.wait_status(phase="Provisioning")
    scene.kuberay.cluster_ready(scene.cluster())
    scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")
    assert operator.process.poll() is None


def test_an_operator_of_one_namespace_ends_to_be_started_again(scene: Scene) -> None:  # noqa: F811
    operator: OperatorProcess = scene.start_operator()
    wait_until_missing(scene)
    install_kuberay(scene)
    wait_for(lambda: operator.process.poll() is not None, "the operator to end")
    assert operator.process.returncode == 1
    assert "have come: restarting to watch them" in operator.text()
    scene.start_operator()
    scene.wait_status(phase="Provisioning")
    scene.kuberay.cluster_ready(scene.cluster())
    scene.wait_exists(f"{scene.kuberay.jobs}/mnist-1")


def test_a_kuberay_without_token_authentication_is_called_too_old(scene: Scene) -> None:  # noqa: F811
    for document in kuberay_crds():
        if document["spec"]["names"]["kind"] == "RayCluster":
            for version in document["spec"]["versions"]:
                del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["authOptions"]
        apply_crd(scene.kube, document)
    assert scene.kube.get(f"{CRDS}/rayclusters.ray.io") is not None
    scene.start_operator()
    scene.add_secret()
    scene.apply()
    status = scene.wait_status(phase="Pending", reason="KubeRayTooOld")
    assert "install KubeRay 1.5.1 or later" in status["message"]
    assert scene.kube.items(scene.kuberay.clusters) == []
