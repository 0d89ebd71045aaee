"""kubectl's rules for finding the cluster: files, contexts, namespaces, proxies."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from mnist_kube.connection import Connection
from mnist_kube.kubeconfig import KubeconfigError, load


def write(path: Path, *names: str, current: str | None = None, cluster: dict[str, Any] | None = None) -> Path:
    """A kubeconfig with a context, cluster and user of each name."""
    config = {
        "current-context": current,
        "clusters": [{"name": n, "cluster": {"server": f"http://{n}.example", **(cluster or {})}} for n in names],
        "users": [{"name": n, "user": {"token": f"token-of-{n}"}} for n in names],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n, "namespace": f"ns-{n}"}} for n in names],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def server(connection: Connection) -> tuple[str, str, str]:
    return connection.server, connection.namespace, connection.present_token()


def test_contexts_and_namespaces(tmp_path: Path) -> None:
    file = write(tmp_path / "c", "a", "b", current="a")
    assert server(load(file)) == ("http://a.example", "ns-a", "token-of-a")
    assert server(load(file, "b")) == ("http://b.example", "ns-b", "token-of-b")
    with pytest.raises(KubeconfigError, match=r"no context 'c' \(there are: a, b\)"):
        load(file, "c")


def test_several_files_are_one(tmp_path: Path) -> None:
    one, two = write(tmp_path / "1", "a"), write(tmp_path / "2", "a", "b", current="b")
    two.write_text(two.read_text().replace("http://a.example", "http://other.example"))
    env = {"KUBECONFIG": f"{one}:{tmp_path / 'missing'}:{two}"}
    assert server(load(env=env))[0] == "http://b.example"
    assert server(load(context="a", env=env))[0] == "http://a.example", "the first file to name it wins"


def test_relative_files_lie_beside_the_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "token").write_text("from-file\n")
    file = write(tmp_path / "k" / "c", "a", current="a")
    file.write_text(file.read_text().replace("token: token-of-a", "tokenFile: token"))
    monkeypatch.chdir(tmp_path)
    target = load(Path("k/c"))
    assert target.present_token() == "from-file"
    assert target.renewable


def test_proxies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = write(tmp_path / "c", "a", current="a")
    assert load(file).proxy is None
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert load(file).proxy == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", ".example")
    assert load(file).proxy is None
    own = write(tmp_path / "d", "a", current="a", cluster={"proxy-url": "http://own.example:1"})
    assert load(own).proxy == "http://own.example:1"


BAD = {
    "no context": ("clusters: []\n", "no current context"),
    "no yaml": ("a: [", "is not a kubeconfig"),
    "a list": ("[1]", "is not a kubeconfig"),
    "no cluster": (
        "current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n",
        r"no cluster 'b' \(there are: none\)",
    ),
}


@pytest.mark.parametrize(("text", "says"), BAD.values(), ids=BAD)
def test_files_that_are_none(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "c"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=says) as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(KubeconfigError, match="no kubeconfig: set KUBECONFIG"):
        load(env={})


def one_of(path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    """A kubeconfig of one cluster and one user."""
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
    connection = load(one_of(tmp_path / "k", cluster, {"token": "secret"}))
    assert (connection.server, connection.host, connection.port) == ("https://127.0.0.1:6443", "127.0.0.1", 6443)
    assert connection.ca_pem == ca.decode()
    assert connection.ssl_context is not None
    assert "secret" not in repr(connection)


def test_certificates_in_files_with_words_before_them(tmp_path: Path) -> None:
    ca = trustme.CA()
    pair = ca.issue_cert("client")
    (tmp_path / "ca.pem").write_bytes(b"# our authority\n" + ca.cert_pem.bytes())
    (tmp_path / "c.pem").write_bytes(b"".join(blob.bytes() for blob in pair.cert_chain_pems))
    (tmp_path / "k.pem").write_bytes(pair.private_key_pem.bytes())
    cluster = {"server": "https://h", "certificate-authority": "ca.pem", "tls-server-name": "other"}
    connection = load(one_of(tmp_path / "k", cluster, {"client-certificate": "c.pem", "client-key": "k.pem"}))
    assert (connection.port, connection.server_name) == (443, "other")
    assert connection.ca_pem.startswith("-----BEGIN")
    assert connection.ssl_context is not None
    assert "PRIVATE" not in repr(connection)


def test_plain_http_needs_no_trust(tmp_path: Path) -> None:
    connection = load(one_of(tmp_path / "k", {"server": "http://h:1"}, {}))
    assert (connection.ssl_context, connection.port, connection.present_token()) == (None, 1, "")


@pytest.mark.parametrize(
    ("cluster", "user"),
    [
        ({"certificate-authority-data": base64.b64encode(b"no certificate").decode()}, {}),
        ({"certificate-authority": "missing.pem"}, {}),
        ({}, {"tokenFile": "missing"}),
    ],
)
def test_credentials_that_cannot_be_read(tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any]) -> None:
    with pytest.raises(KubeconfigError, match="credentials cannot be read"):
        load(one_of(tmp_path / "k", {"server": "https://h", **cluster}, user))


def test_a_plugin_is_asked_for_its_token(tmp_path: Path) -> None:
    status = {"token": "from-plugin"}
    answer = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}
    script = tmp_path / "plugin.py"
    script.write_text(f"print({json.dumps(json.dumps(answer))})")
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": [str(script)],
        "interactiveMode": "Never",
    }
    file = one_of(tmp_path / "k", {"server": "https://h"}, {"exec": plugin})
    connection = load(file)
    assert connection.present_token() == "from-plugin"
    assert connection.renewable
    script.write_text("raise SystemExit(3)")
    with pytest.raises(KubeconfigError, match="its plugin gave no credentials"):
        load(file)
