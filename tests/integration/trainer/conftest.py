from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.bare_training import Bare
from tests.support.kube import Kube

from mnist_trainer.kube.reporter_client import KubeAccess, ReporterClient

CRD = Path(__file__).parents[3] / "crds/mnisttrainings.mnist.training.yaml"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Bare:
    """Runs the trainer's session with everything real but Ray."""
    return Bare(monkeypatch)


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    running = start_apiserver(tmp_path_factory.mktemp("api"))
    kube = Kube.from_kubeconfig(running.kubeconfig)
    kube.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", yaml.safe_load(CRD.read_text()))
    yield running
    running.stop()


@pytest.fixture
def kube(server: ApiServer) -> Kube:
    return Kube.from_kubeconfig(server.kubeconfig)


@pytest.fixture
def pod_env(server: ApiServer, tmp_path: Path) -> dict[str, str]:
    """What a pod's environment says of the API."""
    directory = tmp_path / "serviceaccount"
    directory.mkdir()
    (directory / "token").write_text(server.token)
    (directory / "ca.crt").write_bytes(server.ca_file.read_bytes())
    host, _, port = server.url.removeprefix("https://").partition(":")
    return {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
        "MNIST_SERVICEACCOUNT_DIR": str(directory),
    }


@pytest.fixture
def client(pod_env: dict[str, str]) -> ReporterClient:
    access = KubeAccess.from_env(pod_env)
    assert access is not None
    return ReporterClient(access)
