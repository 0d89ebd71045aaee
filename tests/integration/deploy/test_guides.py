"""The commands of the guides, run as they stand; what needs a container engine or a node of a cluster is left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import helm_python
import pytest
from tests.integration.deploy.conftest import KUBERAY_CRDS, apply_crd
from tests.support.apiserver import start_apiserver
from tests.support.cluster import Cluster
from tests.support.installation import Installation
from tests.support.kube import Kube
from tests.support.manifests import ROOT
from tests.support.operator import start_operator
from tests.support.scripted_kuberay import ScriptedKubeRay
from tests.support.shell_blocks import shell_blocks, words_of
from tests.support.wait import wait_for

GUIDES = ROOT / "docs" / "guides"
PROGRAMS_OF_A_REAL_MACHINE = {"kind", "docker", "sudo", "mnistctl"}
HELM_OF_A_REAL_CLUSTER = {"repo", "dependency", "test"}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of its own, since guides use fixed names, with KubeRay's CRDs as step 2 leaves them."""
    server = start_apiserver(tmp_path)
    cluster = Cluster.connect(server.kubeconfig)
    for path in sorted(KUBERAY_CRDS.glob("*.yaml")):
        apply_crd(cluster, path.read_text())
    yield cluster
    cluster.close()
    server.stop()


class Reader:
    """Follows a guide: `helm` by the real engine, `kubectl` by the real one; remembers what it ran."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.ran: list[str] = []

    def follow(self, blocks: list[str], before: Callable[[list[str]], None] = lambda words: None) -> None:
        """Run every command of the blocks."""
        for line in (line for block in blocks for line in block.splitlines()):
            for words in words_of(line):
                if words and words[0] not in PROGRAMS_OF_A_REAL_MACHINE:
                    before(words)
                    getattr(self, f"_{words[0]}")(words[1:])

    def _kubectl(self, words: list[str]) -> None:
        # To watch is to list and go on; a test lists.
        self.cluster.kubectl(*(word for word in words if word != "-w"))
        self.ran.append("kubectl " + words[0])

    def _helm(self, words: list[str]) -> None:
        verb, rest = words[0], words[1:]
        if verb in HELM_OF_A_REAL_CLUSTER or any(word.startswith("kuberay/") for word in rest):
            return
        options = {rest[i]: rest[i + 1] for i, word in enumerate(rest[:-1]) if word == "--namespace"}
        values: dict[str, object] = {}
        for index, word in enumerate(rest):
            if word == "--set":
                values |= _nested(values, helm_python.parse_set_string(rest[index + 1]))
        namespace = options["--namespace"]
        with helm_python.Config(kubeconfig_path=str(self.cluster.kubeconfig), namespace=namespace) as helm:
            if verb == "install":
                assert "--create-namespace" in rest
                helm.install(str(ROOT / rest[1]), rest[0], values, namespace=namespace, create_namespace=True)
            elif verb == "upgrade":
                assert "--reuse-values" in rest
                helm.upgrade(str(ROOT / rest[1]), rest[0], values, namespace=namespace, reuse_values=True)
            else:
                assert verb == "uninstall"
                helm.uninstall(rest[0])
        self.ran.append("helm " + verb)


def _nested(first: dict[str, object], second: dict[str, object]) -> dict[str, object]:
    return {
        key: {**first[key], **value} if isinstance(value, dict) and isinstance(first.get(key), dict) else value  # type: ignore[dict-item]
        for key, value in second.items()
    }


@contextmanager
def kuberay_and_trainers(kube: Kube, namespace: str) -> Iterator[None]:
    """Play KubeRay and successful trainers for every training of a namespace."""
    script, stop = ScriptedKubeRay(kube, namespace), threading.Event()

    def play() -> None:
        while not stop.wait(0.1):
            for cluster in kube.items(script.clusters):
                if not cluster.get("status"):
                    script.cluster_ready(cluster["metadata"]["name"])
            for job in kube.items(script.jobs):
                if not job.get("status"):
                    name = job["metadata"]["name"]
                    script.job_runs(name)
                    script.seal(name.rpartition("-")[0])
                    script.job_ends(name, well=True)

    thread = threading.Thread(target=play, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


def test_install_train_and_away_with_it(fresh: Cluster, tmp_path: Path) -> None:
    blocks = shell_blocks(GUIDES / "install.md")
    # A store of one's own, and all in one release, are said to be instead of what stands before them.
    own_store = next(block for block in blocks if block.startswith("kubectl create secret"))
    in_one = next(block for block in blocks if "charts/mnist-stack" in block)
    blocks = [block for block in blocks if block != in_one]
    reader, kube = Reader(fresh), Kube.from_kubeconfig(fresh.kubeconfig)
    install = next(index for index, block in enumerate(blocks) if "charts/mnist-operator" in block)
    reader.follow(blocks[: install + 1])
    made_by_the_chart = kube.get("/api/v1/namespaces/demo/secrets/minio-credentials")
    assert made_by_the_chart
    kube.request("DELETE", "/api/v1/namespaces/demo/secrets/minio-credentials")
    reader.follow([own_store])
    release = Installation(fresh, "mnist-system", "mnist-operator")
    kubeconfig = release.kubeconfig(tmp_path, release.token())
    operator = start_operator(kubeconfig, tmp_path, lease_name=release.release, lease_namespace=release.namespace)
    try:
        with kuberay_and_trainers(kube, "demo"):
            later = [block for block in blocks[install + 1 :] if block != own_store]
            reader.follow(later)
    finally:
        operator.stop()
    assert reader.ran == [
        "kubectl create", "helm install", "kubectl create", "kubectl apply", "kubectl get", "kubectl wait",
        "kubectl get", "helm uninstall", "kubectl delete",
    ]  # fmt: skip
    assert kube.get("/apis/mnist.training/v1alpha1/mnisttrainings") is None, "the definition is gone"


def test_upgrade_and_uninstall(fresh: Cluster) -> None:
    reader, kube = Reader(fresh), Kube.from_kubeconfig(fresh.kubeconfig)
    install = next(block for block in shell_blocks(GUIDES / "install.md") if "charts/mnist-operator" in block)
    reader.follow([install])
    wait_for(lambda: kube.get("/apis/mnist.training/v1alpha1/mnisttrainings"), "the definition to be served")
    fresh.kubectl("apply", "--namespace", "demo", "-f", str(ROOT / "examples" / "quickstart.yaml"))
    training = "/apis/mnist.training/v1alpha1/namespaces/demo/mnisttrainings/quickstart"
    uid = kube.request("GET", training)["metadata"]["uid"]

    def unharmed(words: list[str]) -> None:
        if words[1:3] != ["delete", "crd"]:
            assert kube.request("GET", training)["metadata"]["uid"] == uid, words

    reader.follow(shell_blocks(GUIDES / "upgrade.md"), unharmed)
    assert reader.ran == [
        "kubectl create", "helm install",
        "helm upgrade", "kubectl get", "helm uninstall", "kubectl delete", "kubectl delete",
    ]  # fmt: skip
    assert kube.get(training) is None
