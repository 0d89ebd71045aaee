"""In a pod: its ServiceAccount, and not a word on stderr about it."""

from __future__ import annotations

import ssl
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.test_utils import TestServer

from mnist_kube import connection
from mnist_kube.client import KubeApi
from mnist_kube.kubeconfig import KubeconfigError, load


@pytest.fixture
async def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """Run in a pod of a cluster with TLS; returns the identities that its API server has seen."""
    seen: list[str] = []
    ca = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(tls)

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({"kind": "APIVersions"})

    app = web.Application()
    app.router.add_get("/api", handle)
    server = TestServer(app)
    await server.start_server(ssl=tls)
    account = tmp_path / "serviceaccount"
    account.mkdir()
    ca.cert_pem.write_to_path(str(account / "ca.crt"))
    (account / "token").write_text("of-the-pod")
    (account / "namespace").write_text("mnist")
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT", account)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    yield seen
    await server.close()


async def test_a_pod_talks_as_its_service_account_without_a_warning(
    pod: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with KubeApi(load()) as api:
            await api.get("/api")
    assert pod == ["Bearer of-the-pod"]
    assert api.connection.namespace == "mnist"
    assert capfd.readouterr() == ("", "")


def test_the_operator_without_a_cluster_says_so_in_one_line(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "PATH": ""}
    ran = subprocess.run(
        [sys.executable, "-m", "mnist_operator", "run"], env=env, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("mnist-operator: no kubeconfig: set KUBECONFIG")
    assert "Traceback" not in ran.stderr
    assert "warn" not in ran.stderr


async def test_a_pod_without_a_readable_account_is_told_in_one_line(pod: list[str]) -> None:
    (connection.SERVICE_ACCOUNT / "ca.crt").write_text("no certificate")
    with pytest.raises(KubeconfigError, match="the pod's ServiceAccount cannot be read"):
        load()
