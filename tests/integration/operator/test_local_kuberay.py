"""The operator with the local KubeRay: pods are processes, jobs run a trainer that trains nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.integration.operator.conftest import Scene
from tests.support import fake_trainer
from tests.support.apiserver import ApiServer, start_apiserver
from tests.support.kuberay import LocalKubeRay, fake_ray, start_kuberay
from tests.support.processes import kill_all, processes_of
from tests.support.wait import wait_for

from mnist_kube.objects import Object
from mnist_kube.times import timestamp

HTTP = {"submission": {"mode": "HTTP"}}


@dataclass
class Local:
    """What the module's processes share."""

    server: ApiServer
    control: Path


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    """An API server of the module."""
    directory = tmp_path_factory.mktemp("local")
    control = directory / "control"
    control.mkdir()
    handle = start_apiserver(directory)
    yield Local(handle, control)
    handle.stop()


@pytest.fixture(scope="module")
def server(local: Local) -> Path:
    """Its kubeconfig."""
    return local.server.kubeconfig


@pytest.fixture(scope="module")
def kuberay(local: Local, kube: object, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKubeRay]:
    """A local KubeRay for all namespaces; nothing of it may be left."""
    directory = tmp_path_factory.mktemp("kuberay")
    programs = fake_trainer.install(directory, local.control)
    options = fake_ray(directory, programs)
    process = start_kuberay(local.server.kubeconfig, directory, local.server.pod_log_dir, *options)
    yield process
    assert process.stop() == 0
    assert process.descendants() == []


def pods(scene: Scene, **labels: str) -> list[Object]:
    """Living pods with these labels of Ray's."""
    selector = ",".join(f"ray.io%2F{key.replace('_', '-')}%3D{value}" for key, value in labels.items())
    found = scene.kube.items(f"{scene.core('pods')}?labelSelector={selector}")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def running(scene: Scene, name: str, attempt: int = 1) -> Object:
    """Wait until an attempt's trainer reports."""

    def reports() -> bool:
        report = scene.status(name).get("training") or {}
        return report.get("attempt") == attempt and report.get("state") == "Training"

    wait_for(reports, lambda: f"{name}'s trainer to report; status is {scene.status(name)}")
    return scene.wait_status(name, phase="Running", attempt=attempt, reason="Running")


def test_groups_become_pods_a_suspension_frees_them_and_a_resumed_training_succeeds(
    brisk: Scene, local: Local, kuberay: LocalKubeRay
) -> None:
    workers = {"replicas": 1, "additionalGroups": [{"name": "spot", "replicas": 2}]}
    brisk.apply("life", {**HTTP, "workers": workers, "head": {"serviceType": "NodePort"}})
    status = running(brisk, "life")
    assert status["message"] == "Training on 3 workers"
    assert (len(pods(brisk, group="workers")), len(pods(brisk, group="spot"))) == (1, 2)
    (service,) = (item for item in brisk.kube.items(brisk.core("services")) if "head" in item["metadata"]["name"])
    port = next(item["nodePort"] for item in service["spec"]["ports"] if item["name"] == "dashboard")
    assert status["rayCluster"]["dashboard"] == f"http://<node>:{port}"

    brisk.change({"runPolicy": {"suspend": True}}, "life")
    brisk.wait_status("life", phase="Suspended")
    assert pods(brisk) == []
    brisk.change({"runPolicy": {"suspend": False}}, "life")
    running(brisk, "life", attempt=2)
    (local.control / "life").write_text("succeed")
    status = brisk.wait_status("life", phase="Succeeded")
    assert (status["failures"], status["result"]["accuracy"]) == (0, 0.99)
    wait_for(lambda: pods(brisk) == [], "the pods to be freed")


def test_a_killed_head_is_a_restart_within_the_attempt_and_a_deleted_job_a_new_attempt(
    brisk: Scene, local: Local, kuberay: LocalKubeRay
) -> None:
    brisk.apply("losses", {**HTTP, "workers": {"replicas": 1}})
    running(brisk, "losses")
    # Jobs tell their start in whole seconds: one that starts over within the same second is not seen to.
    started = brisk.status("losses")["rayJob"]["startTime"]
    wait_for(lambda: timestamp() > started, "the second in which the job started to pass")
    (head,) = pods(brisk, node_type="head")
    before = brisk.status("losses")["training"]["runId"]
    mark = f"MNIST_POD_UID={head['metadata']['uid']}"
    kill_all(processes_of(Path(mark)))

    def restarted() -> bool:
        status = brisk.status("losses")
        return status.get("restarts") == 1 and status["training"]["runId"] != before

    wait_for(restarted, "KubeRay to start the job over")
    status = running(brisk, "losses")
    assert (status["attempt"], status["failures"]) == (1, 0)

    brisk.kube.delete(f"{brisk.kuberay.jobs}/losses-1")
    status = brisk.wait_status("losses", phase="Pending", reason="Retrying")
    assert status["lastFailure"]["reason"] == "RayJobDeleted"
    running(brisk, "losses", attempt=2)
    assert len(pods(brisk, node_type="head")) == 1, "the first attempt's cluster went before"
    (local.control / "losses").write_text("succeed")
    brisk.wait_status("losses", phase="Succeeded")
