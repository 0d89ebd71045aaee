"""Rights, proven by use: the real operator, a trainer and people, each with nothing but a token of their own."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.cluster import Cluster
from tests.support.installation import Installation, may
from tests.support.kube import Kube
from tests.support.operator import OperatorProcess, start_operator
from tests.support.scripted_kuberay import ScriptedKubeRay
from tests.support.wait import wait_for

from mnist_kube.errors import ApiError

TRAINING = {"apiVersion": "mnist.training/v1alpha1", "kind": "MnistTraining"}
RBAC = "/apis/rbac.authorization.k8s.io/v1"
Start = Callable[..., OperatorProcess]


@pytest.fixture
def admin(cluster: Cluster, tmp_path: Path) -> Kube:
    """An administrator's client."""
    return Kube.from_kubeconfig(cluster.kubeconfig)


@pytest.fixture
def start(installation: Installation, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Start operators with the token of the rendered ServiceAccount, as the Deployment would."""
    running: list[OperatorProcess] = []

    def operator(**settings: str) -> OperatorProcess:
        kubeconfig = installation.kubeconfig(tmp_path, installation.token())
        lease = {"lease_name": installation.release, "lease_namespace": installation.namespace}
        running.append(start_operator(kubeconfig, tmp_path, **lease, **settings))
        return running[-1]

    yield operator
    for process in running:
        if process.process.poll() is None:
            process.stop()


class Life:
    """Plays KubeRay and the trainer for one training."""

    def __init__(self, admin: Kube, namespace: str) -> None:
        self.admin = admin
        self.kuberay = ScriptedKubeRay(admin, namespace)
        encoded = {key: base64.b64encode(b"x").decode() for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "minio-credentials"}, "data": encoded}
        admin.create(f"/api/v1/namespaces/{namespace}/secrets", secret)

    def create(self, name: str, spec: dict[str, Any]) -> None:
        self.admin.create(self.kuberay.trainings, {**TRAINING, "metadata": {"name": name}, "spec": spec})

    def phase(self, name: str, phase: str) -> dict[str, Any]:
        def status() -> dict[str, Any]:
            return (self.admin.get(f"{self.kuberay.trainings}/{name}") or {}).get("status") or {}

        wait_for(lambda: status().get("phase") == phase, f"{name} to be {phase}; it is {status()}")
        return status()

    def cluster(self, name: str, attempt: int) -> str:
        """Wait for the RayCluster of an attempt, which may be that of the attempt before. Return its name."""

        def found() -> str:
            status = (self.admin.get(f"{self.kuberay.trainings}/{name}") or {}).get("status") or {}
            return str((status.get("rayCluster") or {}).get("name") or "") if status.get("attempt") == attempt else ""

        return wait_for(found, f"attempt {attempt} of {name}", 40)

    def run(self, name: str, attempt: int) -> str:
        """Play KubeRay until the attempt's job runs. Return the path of its RayCluster."""
        cluster, child = self.cluster(name, attempt), f"{name}-{attempt}"
        path = f"{self.kuberay.clusters}/{cluster}"
        wait_for(lambda: self.admin.get(path), path)
        self.kuberay.cluster_ready(cluster)
        wait_for(lambda: self.admin.get(f"{self.kuberay.jobs}/{child}"), f"job {child}")
        self.kuberay.job_runs(child)
        self.phase(name, "Running")
        return path

    def gone(self, path: str) -> None:
        wait_for(lambda: self.admin.get(path) is None, f"{path} to be gone")


@pytest.mark.parametrize("mode", ["cluster", "namespaced"])
def test_a_whole_life_under_the_rendered_rights(
    mode: str, installation: Installation, admin: Kube, namespace: str, start: Start, our_crd: None
) -> None:
    # Cluster-wide, the admission policy would stop other operators of a cluster that is shared.
    values: dict[str, Any] = {"crds": {"install": False}, "admissionPolicy": {"enabled": mode == "namespaced"}}
    if mode == "namespaced":
        values |= {"watchNamespaces": [namespace]}
    installation.install(values)
    operator = start(**({"namespaces": namespace} if mode == "namespaced" else {}))
    life = Life(admin, namespace)

    life.create("mnist", {"runPolicy": {"backoffLimit": 1}, "workers": {"minReplicas": 1}})
    first = life.run("mnist", 1)
    admin.merge(f"{life.kuberay.trainings}/mnist", {"spec": {"runPolicy": {"suspend": True}}})
    life.phase("mnist", "Suspended")
    life.gone(first)
    admin.merge(f"{life.kuberay.trainings}/mnist", {"spec": {"runPolicy": {"suspend": False}}})
    life.run("mnist", 2)
    failure = {"reason": "StoreUnreachable", "message": "away", "retryable": True}
    life.kuberay.report("mnist", attempt=2, state="Failed", failure=failure)
    life.kuberay.job_ends("mnist-2", well=False)
    third = life.run("mnist", 3)
    admin.merge(f"{life.kuberay.trainings}/mnist", {"spec": {"workers": {"replicas": 1}}})

    def replicas() -> int:
        return int(admin.get(third)["spec"]["workerGroupSpecs"][0]["replicas"])  # type: ignore[index]

    wait_for(lambda: replicas() == 1, "the cluster to be scaled")
    life.kuberay.seal("mnist", attempt=3)
    life.kuberay.job_ends("mnist-3", well=True)
    life.phase("mnist", "Succeeded")
    events = f"/apis/events.k8s.io/v1/namespaces/{namespace}/events"
    wait_for(lambda: "Succeeded" in {item["reason"] for item in admin.items(events)}, "events")
    admin.merge(f"{life.kuberay.trainings}/mnist", {"spec": {"runPolicy": {"ttlSecondsAfterFinished": 0}}})
    life.gone(f"{life.kuberay.trainings}/mnist")
    life.gone(f"{life.kuberay.jobs}/mnist-3")
    log = operator.text().lower()
    assert "forbidden" not in log
    assert "traceback" not in log
    assert operator.stop() == 0


@pytest.mark.parametrize("mode", ["cluster", "namespaced"])
def test_the_operator_may_do_no_more(
    mode: str, installation: Installation, namespace: str, tmp_path: Path, our_crd: None
) -> None:
    installation.install(
        {"crds": {"install": False}, **({"watchNamespaces": [namespace]} if mode == "namespaced" else {})}
    )
    operator = installation.client(tmp_path, installation.token())
    assert may(operator, "create", "ray.io", "rayclusters", namespace)
    refused = [
        ("list", "", "secrets"), ("watch", "", "secrets"), ("delete", "", "secrets"), ("update", "", "secrets"),
        ("list", "", "services"), ("watch", "", "services"), ("patch", "", "services"),
        ("create", "", "pods"), ("get", "", "pods"), ("create", "", "pods/exec"), ("get", "", "configmaps"),
        ("patch", "ray.io", "rayclusters/status"), ("update", "mnist.training", "mnisttrainings"),
        ("patch", "mnist.training", "mnisttrainings"), ("create", "mnist.training", "mnisttrainings"),
        ("delete", "rbac.authorization.k8s.io", "roles"), ("bind", "rbac.authorization.k8s.io", "roles"),
        ("escalate", "rbac.authorization.k8s.io", "roles"), ("impersonate", "", "serviceaccounts"),
        ("create", "", "serviceaccounts/token"), ("create", "batch", "jobs"),
    ]  # fmt: skip
    for verb, group, resource in refused:
        assert not may(operator, verb, group, resource, namespace), (verb, resource)
    for verb, group, resource in (
        ("get", "", "nodes"), ("create", "", "namespaces"), ("create", "rbac.authorization.k8s.io", "clusterroles"),
        ("patch", "apiextensions.k8s.io", "customresourcedefinitions"),
    ):  # fmt: skip
        assert not may(operator, verb, group, resource), (verb, resource)
    if mode == "namespaced":
        assert not may(operator, "get", "mnist.training", "mnisttrainings", "default")
        assert not may(operator, "get", "", "secrets", installation.namespace)
    more_than_it_has = {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "more"},
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    }  # fmt: skip
    with pytest.raises(ApiError, match="Forbidden"):
        operator.create(f"{RBAC}/namespaces/{namespace}/roles", more_than_it_has)


def test_a_trainer_reads_its_secret_and_reports_and_nothing_else(
    installation: Installation, admin: Kube, namespace: str, start: Start, tmp_path: Path, our_crd: None
) -> None:
    installation.install({"crds": {"install": False}, "admissionPolicy": {"enabled": False}})
    start()
    life = Life(admin, namespace)
    life.create("mnist", {})
    life.create("other", {})
    cluster = life.run("mnist", 1)
    trainer = installation.client(tmp_path, installation.token("mnist-head", namespace))

    assert trainer.get(f"/api/v1/namespaces/{namespace}/secrets/mnist-storage")["data"]  # type: ignore[index]
    status = f"{life.kuberay.trainings}/mnist/status"
    assert trainer.json_patch(status, [])["metadata"]["name"] == "mnist"
    report = {"attempt": 1, "runId": "r", "state": "Training", "updatedAt": "2026-01-01T00:00:00Z"}
    trainer.json_patch(status, [{"op": "add", "path": "/status/training", "value": report}])

    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    requests: list[tuple[str, str, Any]] = [
        ("GET", f"{secrets}/minio-credentials", None), ("GET", f"{secrets}/other-storage", None),
        ("GET", secrets, None),
        ("GET", f"{life.kuberay.trainings}/mnist", None), ("GET", life.kuberay.trainings, None),
        ("PATCH", f"{life.kuberay.trainings}/mnist", []), ("PATCH", f"{life.kuberay.trainings}/other/status", []),
        ("DELETE", f"{life.kuberay.trainings}/mnist", None), ("PATCH", f"{secrets}/mnist-storage", []),
        ("GET", cluster, None), ("PATCH", cluster, []),
        ("GET", f"/api/v1/namespaces/{namespace}/pods", None), ("GET", "/api/v1/namespaces", None),
        ("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts", None),
        ("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/mnist-head/token", {"spec": {}}),
    ]  # fmt: skip
    for method, path, body in requests:
        with pytest.raises(ApiError) as refused:
            trainer.request(
                method, path, body, "application/json-patch+json" if method == "PATCH" else "application/json"
            )
        assert refused.value.status == 403, (method, path)

    worker = installation.client(tmp_path, installation.token("mnist-worker", namespace))
    with pytest.raises(ApiError, match="Forbidden"):
        worker.get(f"{secrets}/mnist-storage")
    with pytest.raises(ApiError, match="Forbidden"):
        worker.json_patch(status, [])


@pytest.mark.parametrize(("role", "writes"), [("view", False), ("edit", True), ("admin", True)])
def test_people_with_kubernetes_own_roles(
    role: str, writes: bool, installation: Installation, cluster: Cluster, namespace: str, tmp_path: Path, our_crd: None
) -> None:
    installation.install({"crds": {"install": False}})
    cluster.expect(
        201,
        "POST",
        cluster.core(namespace, "serviceaccounts"),
        {"kind": "ServiceAccount", "metadata": {"name": "person"}},
    )
    binding = {
        "kind": "RoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "person"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "person", "namespace": namespace}],
    }  # fmt: skip
    cluster.expect(201, "POST", f"{RBAC}/namespaces/{namespace}/rolebindings", binding)
    person = installation.client(tmp_path, installation.token("person", namespace))
    wait_for(lambda: may(person, "list", "mnist.training", "mnisttrainings", namespace), "the role to be aggregated")
    for verb in ("get", "list", "watch"):
        assert may(person, verb, "mnist.training", "mnisttrainings", namespace), verb
    for verb in ("create", "update", "patch", "delete", "deletecollection"):
        assert may(person, verb, "mnist.training", "mnisttrainings", namespace) is writes, verb
    assert not may(person, "patch", "mnist.training", "mnisttrainings/status", namespace)
    assert not may(person, "list", "mnist.training", "mnisttrainings", "default")
