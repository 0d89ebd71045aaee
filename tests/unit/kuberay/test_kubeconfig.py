"""Reading a kubeconfig."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from mnist_local.kuberay import __main__, kubeconfig


def write(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    config = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_token_and_inline_ca(tmp_path: Path) -> None:
    ca = trustme.CA().cert_pem.bytes()
    cluster = {"server": "https://127.0.0.1:6443/", "certificate-authority-data": base64.b64encode(ca).decode()}
    connection = kubeconfig.load(write(tmp_path / "k", cluster, {"token": "secret"}))
    assert (connection.host, connection.port) == ("127.0.0.1", 6443)
    assert connection.headers == {"Authorization": "Bearer secret"}
    assert connection.ca_pem == ca.decode()
    assert "secret" not in repr(connection)


def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    ca = trustme.CA()
    pair = ca.issue_cert("client")
    (tmp_path / "ca.pem").write_bytes(ca.cert_pem.bytes())
    (tmp_path / "c.pem").write_bytes(b"".join(blob.bytes() for blob in pair.cert_chain_pems))
    (tmp_path / "k.pem").write_bytes(pair.private_key_pem.bytes())
    (tmp_path / "token").write_text("from file\n")
    cluster = {"server": "https://h", "certificate-authority": "ca.pem"}
    user = {"client-certificate": "c.pem", "client-key": "k.pem", "tokenFile": "token"}
    connection = kubeconfig.load(write(tmp_path / "k", cluster, user))
    assert connection.port == 443
    assert connection.headers == {"Authorization": "Bearer from file"}
    assert connection.ssl is not None


def test_plain_http_needs_no_trust(tmp_path: Path) -> None:
    connection = kubeconfig.load(write(tmp_path / "k", {"server": "http://h:1"}, {}))
    assert (connection.ssl, connection.port, connection.headers) == (None, 1, {})


@pytest.mark.parametrize("text", ["", "[]", "a: b"])
def test_unusable_files_are_told_in_one_line(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "k"
    path.write_text(text)
    arguments = ["--kubeconfig", str(path), "--work-dir", str(tmp_path / "w"), "--pod-log-dir", str(tmp_path / "l")]
    assert __main__.main(arguments) == 2
    assert capsys.readouterr().err == f"local KubeRay: {path} is not a kubeconfig with a current-context\n"


def test_context_without_its_cluster(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text(yaml.safe_dump({"current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c"}}]}))
    with pytest.raises(kubeconfig.KubeconfigError, match="no cluster named 'c'"):
        kubeconfig.load(path)
