"""The portal's image serves its pages as the chart runs it: read-only, no capabilities, no identity of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
import yaml
from tests.images.conftest import build_arguments
from tests.integration.operator.conftest import apply_crd
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.kube import Kube
from tests.support.manifests import of_kind, render_chart
from tests.support.portal import EDIT, PortalScene
from tests.support.shipped import Engine, Identity, Image, always_stopped

from mnist_operator.api import crd

TAG = "mnist-training/portal:test"
VALUES = {"portal": {"enabled": True, "hosts": ["portal.example.org"], "secure": False}}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def status(url: str) -> int:
    try:
        return urllib3.request("GET", url, retries=False).status
    except urllib3.exceptions.HTTPError:
        return 0


@pytest.fixture(scope="module")
def image(engine: Engine | None) -> Image:
    """The image, built."""
    if engine is None:
        pytest.fail("the portal's image needs docker or podman; `make test-images IMAGES=operator` does not")
    engine.build("Dockerfile.portal", TAG, build_arguments())
    return Image(engine, TAG)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    handle = start_apiserver(tmp_path_factory.mktemp("api"))
    yield handle
    handle.stop()


@pytest.mark.timeout(600)
def test_it_serves_whoever_brings_a_token_and_stops_when_told(image: Image, server: ApiServer, tmp_path: Path) -> None:
    kube = Kube.from_kubeconfig(server.kubeconfig)
    apply_crd(kube, yaml.safe_load(crd.crd_text()))
    scene = PortalScene(server, kube)
    scene.running("runs")
    pod = of_kind(render_chart(VALUES), "Deployment", "mnist-operator-portal")[0]["spec"]["template"]["spec"]
    port, metrics = free_port(), free_port()
    authority = tmp_path / "kube"
    authority.mkdir(mode=0o755)
    (authority / "ca.crt").write_text(server.ca_file.read_text())
    # The network is the host's here: other ports, and the API server's own address.
    env = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]} | {
        "MNIST_PORTAL_PORT": str(port), "MNIST_PORTAL_METRICS_PORT": str(metrics),
        "MNIST_PORTAL_HOSTS": f"127.0.0.1:{port}", "MNIST_PORTAL_API_SERVER": server.url,
    }  # fmt: skip
    context = pod["securityContext"]
    identity = Identity(context["runAsUser"], context["runAsGroup"])
    log = tmp_path / "portal.log"
    started = image.start([], env, {authority: "/etc/mnist-portal/kube"}, identity, log)
    with always_stopped(started):
        started.wait_for(lambda: status(f"http://127.0.0.1:{metrics}/readyz") == 200, f"{image.what} to be ready")
        assert status(f"http://127.0.0.1:{port}/login") == 200
        headers = {"Authorization": f"Bearer {scene.user('editor', EDIT)}"}
        for path, shown in (
            (f"/trainings?namespace={scene.namespace}", "runs"),
            ("/new?example=quickstart", "quickstart"),
        ):
            page = urllib3.request("GET", f"http://127.0.0.1:{port}{path}", headers=headers, retries=False)
            assert (page.status, shown in page.data.decode()) == (200, True), page.data
        assert started.stop() == 0, started.text()
    assert "Traceback" not in started.text()
