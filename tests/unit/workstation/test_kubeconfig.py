"""kubectl's rules for finding the cluster: files, contexts, namespaces, proxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mnist_cli.errors import CommandError
from mnist_cli.workstation.kubeconfig import Target, load


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


def server(target: Target) -> tuple[str, str, str]:
    return target.connection.server, target.namespace, target.connection.headers["Authorization"]


def test_contexts_and_namespaces(tmp_path: Path) -> None:
    file = write(tmp_path / "c", "a", "b", current="a")
    assert server(load(file)) == ("http://a.example", "ns-a", "Bearer token-of-a")
    assert server(load(file, "b")) == ("http://b.example", "ns-b", "Bearer token-of-b")
    with pytest.raises(CommandError, match=r"no context 'c' \(there are: a, b\)"):
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
    assert target.connection.headers["Authorization"] == "Bearer from-file"
    assert target.renewable


def test_proxies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = write(tmp_path / "c", "a", current="a")
    assert load(file).connection.proxy is None
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    assert load(file).connection.proxy == "http://proxy.example:3128"
    monkeypatch.setenv("no_proxy", ".example")
    assert load(file).connection.proxy is None
    own = write(tmp_path / "d", "a", current="a", cluster={"proxy-url": "http://own.example:1"})
    assert load(own).connection.proxy == "http://own.example:1"


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
    with pytest.raises(CommandError, match=says) as caught:
        load(path)
    assert "\n" not in caught.value.message


def test_none_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(CommandError, match="no kubeconfig: set KUBECONFIG"):
        load(env={})
