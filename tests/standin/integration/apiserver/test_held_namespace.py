"""A namespace that a finalizer holds back is told of once, not for ever."""

from __future__ import annotations

from pathlib import Path

from tests.support.apiserver import start_apiserver
from tests.support.kube import Kube
from tests.support.wait import wait_for


def test_a_held_namespace_is_not_written_again_and_again(tmp_path: Path) -> None:
    server = start_apiserver(tmp_path)
    try:
        kube = Kube.from_kubeconfig(server.kubeconfig)
        kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "held"}})
        holder = {"metadata": {"name": "holder", "finalizers": ["example.org/hold"]}}
        maps = "/api/v1/namespaces/held/configmaps"
        kube.create(maps, {"apiVersion": "v1", "kind": "ConfigMap", **holder})
        kube.delete("/api/v1/namespaces/held")

        def version_when_told() -> str:
            namespace = kube.get("/api/v1/namespaces/held") or {}
            told = (namespace.get("status") or {}).get("conditions")
            return namespace["metadata"]["resourceVersion"] if told else ""

        version = wait_for(version_when_told, "the namespace to tell what holds it")
        versions = {version_when_told() for _ in range(50)}
        assert versions == {version}
        kube.merge(f"{maps}/holder", {"metadata": {"finalizers": None}})
        wait_for(lambda: kube.get("/api/v1/namespaces/held") is None, "the namespace to go")
    finally:
        server.stop()
