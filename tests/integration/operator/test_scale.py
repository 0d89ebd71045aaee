"""Numbers of workers, groups of workers, GPUs, and where the dashboard is found."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for


def told(scene: Scene, attempt: int) -> dict[str, str]:
    """The trainer's flags about workers, as they stand in an attempt's RayJob."""
    job = scene.kube.get(f"{scene.kuberay.jobs}/mnist-{attempt}")
    assert job is not None
    words = shlex.split(job["spec"]["entrypoint"])
    return {flag: value for flag, value in zip(words[2::2], words[3::2], strict=True) if flag.endswith("workers")}


def sizes(scene: Scene, attempt: int = 1) -> dict[str, tuple[int, int, int]]:
    """Fewest, wished-for and most workers of each group in an attempt's RayCluster."""
    cluster = scene.kube.get(scene.cluster_path(attempt)) or {"spec": {"workerGroupSpecs": []}}
    return {
        group["groupName"]: (group["minReplicas"], group["replicas"], group["maxReplicas"])
        for group in cluster["spec"]["workerGroupSpecs"]
    }


def test_another_number_of_workers_starts_the_trainer_over_with_it(brisk: Scene) -> None:
    brisk.apply()
    brisk.walk_to_running()
    assert told(brisk, 1) == {"--workers": "2"}
    brisk.change({"workers": {"replicas": 3}})
    brisk.walk_to_running(attempt=2)
    assert told(brisk, 2) == {"--workers": "3"}
    assert sizes(brisk, 2) == {"workers": (3, 3, 3)}
    status = brisk.status()
    assert (status["failures"], status["lastFailure"]["reason"]) == (0, "Rescaled")
    assert brisk.kube.get(f"{brisk.kuberay.jobs}/mnist-1") is None, "the first attempt was stopped before"


def test_an_elastic_trainer_is_told_its_range_and_goes_on_within_it(brisk: Scene) -> None:
    brisk.apply(spec={"workers": {"replicas": 3, "minReplicas": 1}})
    brisk.walk_to_running()
    assert told(brisk, 1) == {"--workers": "3", "--min-workers": "1"}
    brisk.change({"workers": {"replicas": 2}})
    wait_for(lambda: sizes(brisk) == {"workers": (2, 2, 2)}, "the cluster to shrink")
    status = brisk.status()
    assert (status["phase"], status["attempt"]) == ("Running", 1)


def test_groups_of_workers_and_gpus_become_groups_of_the_raycluster(brisk: Scene) -> None:
    spot = {
        "name": "spot",
        "minReplicas": 0,
        "maxReplicas": 4,
        "template": {"spec": {"nodeSelector": {"pool": "spot"}}},
    }
    brisk.apply(spec={"workers": {"replicas": 2, "gpusPerWorker": 1, "additionalGroups": [spot]}})
    brisk.walk_to_running()
    assert sizes(brisk) == {"workers": (2, 2, 2), "spot": (0, 1, 4)}
    assert told(brisk, 1) == {"--workers": "3", "--min-workers": "2", "--max-workers": "6"}
    cluster = brisk.kube.get(brisk.cluster_path())
    assert cluster is not None
    assert cluster["spec"]["enableInTreeAutoscaling"] is True
    for group in cluster["spec"]["workerGroupSpecs"]:
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert limits["nvidia.com/gpu"] == 1
    assert cluster["spec"]["workerGroupSpecs"][1]["template"]["spec"]["nodeSelector"] == {"pool": "spot"}


def head_service(scene: Scene, kind: str) -> dict[str, Any]:
    """The Service that KubeRay makes for a head."""
    name = f"{scene.cluster()}-head-svc"
    spec = {"type": kind, "ports": [{"name": "dashboard", "port": 8265, "protocol": "TCP"}]}
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}
    return scene.kube.create(scene.core("services"), body)


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_the_dashboard_is_told_where_it_is_reached_from_outside(kind: str, brisk: Scene) -> None:
    brisk.apply(spec={"head": {"serviceType": kind}})
    brisk.wait_cluster()
    service = head_service(brisk, kind)
    port = service["spec"]["ports"][0]["nodePort"]
    brisk.kube.merge(f"{brisk.cluster_path()}/status", {"status": {"endpoints": {"dashboard": str(port)}}})
    brisk.walk_to_running()
    address = f"http://<node>:{port}"
    if kind == "LoadBalancer":
        ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}
        brisk.kube.merge(f"{brisk.core('services', service['metadata']['name'])}/status", ingress)
        address = "http://203.0.113.7:8265"
    wait_for(lambda: brisk.status()["rayCluster"]["dashboard"] == address, lambda: f"{address}, not {brisk.status()}")
