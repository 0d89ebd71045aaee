"""An embedded API server with all CRDs, and real operators on it."""

from __future__ import annotations

import base64
import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.apiserver import start_apiserver
from tests.support.kube import Kube
from tests.support.operator import OperatorProcess, start_operator
from tests.support.scripted_kuberay import ScriptedKubeRay
from tests.support.wait import wait_for

from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import EVENTS, TRAININGS
from mnist_operator.api import crd
from mnist_operator.children.training import cluster_name, training_of

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
KUBERAY_CRDS = Path(__file__).parents[3] / "local" / "mnist_local" / "kuberay" / "crds"


def apply_crd(kube: Kube, document: Object) -> None:
    """Create a CRD unless it is there, and wait until it is served."""
    name = document["metadata"]["name"]
    if kube.get(f"{CRDS}/{name}") is None:
        kube.create(CRDS, document)

    def established() -> bool:
        status = (kube.get(f"{CRDS}/{name}") or {}).get("status") or {}
        return any(c["type"] == "Established" and c["status"] == "True" for c in status.get("conditions") or [])

    wait_for(established, f"{name} to be established")


def kuberay_crds() -> list[Object]:
    """Return the CRDs of the local KubeRay."""
    return [yaml.safe_load(path.read_text()) for path in sorted(KUBERAY_CRDS.glob("*.yaml"))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An API server with our CRD; returns its kubeconfig."""
    handle = start_apiserver(tmp_path_factory.mktemp("api"))
    yield handle.kubeconfig
    handle.stop()


@pytest.fixture(scope="module")
def kube(server: Path) -> Kube:
    """An administrator's client, with all CRDs there."""
    client = Kube.from_kubeconfig(server)
    for document in [yaml.safe_load(crd.crd_text()), *kuberay_crds()]:
        apply_crd(client, document)
    return client


class Scene:
    """A namespace with an operator on it and a scripted KubeRay."""

    def __init__(self, kube: Kube, namespace: str, operator: Callable[..., OperatorProcess]) -> None:
        self.kube = kube
        self.namespace = namespace
        self.kuberay = ScriptedKubeRay(kube, namespace)
        self.trainings = TRAININGS.path(namespace)
        self.start_operator = operator

    def add_secret(self, **data: str) -> None:
        """Create the Secret that manifests name by default."""
        values = data or {"AWS_ACCESS_KEY_ID": "canary-id", "AWS_SECRET_ACCESS_KEY": "canary-key"}
        encoded = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        self.kube.create(
            f"/api/v1/namespaces/{self.namespace}/secrets",
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minio-credentials"}, "data": encoded},
        )

    def apply(
        self, name: str = "mnist", spec: dict[str, Any] | None = None, labels: dict[str, str] | None = None
    ) -> Object:
        """Create a training."""
        return self.kube.create(
            self.trainings,
            {
                "apiVersion": "mnist.training/v1alpha1",
                "kind": "MnistTraining",
                "metadata": {"name": name, "labels": labels or {}},
                "spec": spec or {},
            },
        )

    def status(self, name: str = "mnist") -> Object:
        """Return a training's status."""
        return (self.kube.get(f"{self.trainings}/{name}") or {}).get("status") or {}

    def wait_status(self, name: str = "mnist", seconds: float = 60.0, **fields: object) -> Object:
        """Wait until the status has these fields. Return the status that had them."""

        def reached() -> Object | None:
            status = self.status(name)
            return status if all(status.get(key) == value for key, value in fields.items()) else None

        reached_status = wait_for(reached, lambda: f"{name} to have {fields}; status is {self.status(name)}", seconds)
        assert reached_status is not None
        return reached_status

    def wait_exists(self, path: str, seconds: float = 60.0) -> Object:
        """Wait until an object exists."""
        found = wait_for(lambda: self.kube.get(path), path, seconds)
        assert found is not None
        return found

    def cluster(self, attempt: int = 1, name: str = "mnist") -> str:
        """Return the name of an attempt's RayCluster."""
        training = self.kube.get(f"{self.trainings}/{name}")
        assert training is not None
        return cluster_name(training_of(training), attempt)

    def wait_cluster(self, attempt: int = 1, name: str = "mnist") -> Object:
        """Wait until an attempt's RayCluster exists."""
        return self.wait_exists(f"{self.kuberay.clusters}/{self.cluster(attempt, name)}")

    def events(self, name: str = "mnist") -> list[str]:
        """Return the reasons of the events on a training."""
        found = [item for item in self.kube.items(EVENTS.path(self.namespace)) if item["regarding"]["name"] == name]
        return [item["reason"] for item in sorted(found, key=lambda item: item["eventTime"])]

    def warnings(self) -> list[str]:
        """Return the warnings of all events in the namespace."""
        found = self.kube.items(EVENTS.path(self.namespace))
        return [f"{item['reason']}: {item['note']}" for item in found if item["type"] == "Warning"]

    def walk_to_running(self, name: str = "mnist", attempt: int = 1) -> None:
        """Play KubeRay until the attempt's job runs."""
        self.wait_status(name, attempt=attempt)
        cluster = self.status(name)["rayCluster"]["name"]  # a retry may keep the one before
        self.wait_exists(f"{self.kuberay.clusters}/{cluster}")
        self.kuberay.cluster_ready(cluster)
        self.wait_exists(f"{self.kuberay.jobs}/{name}-{attempt}")
        self.kuberay.job_runs(f"{name}-{attempt}")
        self.wait_status(name, phase="Running")

    def cluster_path(self, attempt: int = 1, name: str = "mnist") -> str:
        """Return the path of an attempt's RayCluster."""
        return f"{self.kuberay.clusters}/{self.cluster(attempt, name)}"

    def core(self, plural: str, name: str = "") -> str:
        """Return the path of an object of the core group in the namespace."""
        return f"/api/v1/namespaces/{self.namespace}/{plural}/{name}".rstrip("/")

    def change(self, spec: dict[str, Any], name: str = "mnist") -> Object:
        """Change a training's spec."""
        return self.kube.merge(f"{self.trainings}/{name}", {"spec": spec})


@pytest.fixture(scope="module")
def brisk_operator(kube: Kube, server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    """One operator for all namespaces of a module, that compares and reads Secrets again every second."""
    operator = start_operator(
        server, tmp_path_factory.mktemp("operator"), namespaces="", resync_seconds="1", credentials_seconds="1"
    )
    yield operator
    operator.stop()
    assert "Traceback" not in operator.text()


@pytest.fixture
def brisk(kube: Kube, server: Path, tmp_path: Path, brisk_operator: OperatorProcess) -> Iterator[Scene]:
    """A namespace of its own with the module's operator at work."""

    def refuse(**settings: str) -> OperatorProcess:
        raise AssertionError("there is an operator already")

    scene = Scene(kube, new_namespace(kube), refuse)
    scene.add_secret()
    yield scene
    with contextlib.suppress(ApiError):  # a test may have deleted it
        kube.delete(f"/api/v1/namespaces/{scene.namespace}")


def new_namespace(kube: Kube) -> str:
    """Make a namespace of its own for a test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kube.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def scene(kube: Kube, server: Path, tmp_path: Path) -> Iterator[Scene]:
    """A namespace of its own, and operators that end with the test."""
    namespace = new_namespace(kube)
    operators: list[OperatorProcess] = []

    def start(**settings: str) -> OperatorProcess:
        operators.append(start_operator(server, tmp_path, **{"namespaces": namespace, **settings}))
        return operators[-1]

    yield Scene(kube, namespace, start)
    for operator in operators:
        if operator.process.poll() is None:
            operator.stop()
    kube.delete(f"/api/v1/namespaces/{namespace}")
