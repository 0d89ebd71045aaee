"""Groups of workers: what the RayCluster and the trainer are told of them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.operator.test_children import CONTRACT, INSTALLATION, training

from mnist_operator.children import job as job_module
from mnist_operator.children.checks import spec_problems
from mnist_operator.children.cluster import ray_cluster, scale_patch
from mnist_operator.children.training import ANNOTATION_HASH, ANNOTATION_WORKERS

SPOT = {
    "name": "spot",
    "replicas": 3,
    "resources": {"limits": {"cpu": "4", "memory": "8Gi"}},
    "template": {"spec": {"nodeSelector": {"pool": "spot"}}},
}


def cluster(workers: dict[str, Any]) -> dict[str, Any]:
    return ray_cluster(training({"workers": workers}), "c", INSTALLATION)


def flags(workers: dict[str, Any]) -> dict[str, str]:
    words = job_module.entrypoint(training({"workers": workers}), 1)
    found = dict(zip(words[2::2], words[3::2], strict=True))
    assert set(found) <= set(CONTRACT["flags"])
    return {key: value for key, value in found.items() if key.endswith("workers")}


def test_each_group_has_its_own_machines_and_every_pod_one_place_for_a_worker() -> None:
    first, spot = cluster({"replicas": 2, "gpusPerWorker": 1, "additionalGroups": [SPOT]})["spec"]["workerGroupSpecs"]
    assert [(group["groupName"], group["replicas"]) for group in (first, spot)] == [("workers", 2), ("spot", 3)]
    assert spot["template"]["spec"]["nodeSelector"] == {"pool": "spot"}
    assert "nodeSelector" not in first["template"]["spec"]
    for group, threads in ((first, None), (spot, "4")):
        # The trainer asks for one CPU and gpusPerWorker GPUs for every worker, wherever it is.
        assert group["rayStartParams"] == {"num-cpus": "1"}
        container = group["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
        env = {item["name"]: item["value"] for item in container["env"]}
        assert env.get("OMP_NUM_THREADS") == threads, "a worker computes on all CPUs of its pod"


def test_a_group_takes_from_the_first_what_it_does_not_say() -> None:
    template = {"spec": {"tolerations": [{"key": "gpu"}]}}
    resources = {"limits": {"cpu": "2", "memory": "4Gi"}}
    groups = cluster({"resources": resources, "template": template, "additionalGroups": [{"name": "more"}]})
    first, more = groups["spec"]["workerGroupSpecs"]
    assert first["template"] == more["template"]


@pytest.mark.parametrize(
    ("workers", "told", "expected"),
    [
        ({"replicas": 2}, "2-2", {"--workers": "2", "--gpus-per-worker": None}),
        ({"additionalGroups": [SPOT]}, "5-5", {"--workers": "5"}),
        (
            {"minReplicas": 1, "additionalGroups": [{**SPOT, "minReplicas": 0, "maxReplicas": 6}]},
            "1-8",
            {"--workers": "5", "--min-workers": "1", "--max-workers": "8"},
        ),
    ],
)
def test_the_trainer_is_told_the_sum_of_all_groups(
    workers: dict[str, Any], told: str, expected: dict[str, str | None]
) -> None:
    wanted = {key: value for key, value in expected.items() if value is not None}
    assert flags(workers) == wanted
    job = job_module.ray_job(training({"workers": workers}), 1, "c", INSTALLATION)
    assert job["metadata"]["annotations"][ANNOTATION_WORKERS] == told


def test_only_groups_with_a_range_are_scaled_automatically() -> None:
    spec = cluster({"replicas": 2, "additionalGroups": [{**SPOT, "minReplicas": 0, "maxReplicas": 6}]})["spec"]
    assert spec["enableInTreeAutoscaling"] is True
    scales = [(group["minReplicas"], group["replicas"], group["maxReplicas"]) for group in spec["workerGroupSpecs"]]
    assert scales == [(2, 2, 2), (0, 3, 6)]


def test_scaling_touches_only_the_numbers_of_the_groups_that_are_there() -> None:
    live = cluster({"replicas": 2, "additionalGroups": [SPOT]})
    wanted = training({"workers": {"replicas": 2, "additionalGroups": [{**SPOT, "replicas": 1}, {"name": "new"}]}})
    patch = scale_patch(wanted, live)
    assert patch[0] == {"op": "test", "path": "/spec/workerGroupSpecs/1/groupName", "value": "spot"}
    assert {item["path"] for item in patch[1:]} == {
        f"/spec/workerGroupSpecs/1/{key}" for key in ("replicas", "minReplicas", "maxReplicas")
    }


def test_the_hash_of_a_cluster_is_of_its_shape_and_not_of_its_size_or_name() -> None:
    def shape(workers: dict[str, Any], name: str = "c") -> str:
        made = ray_cluster(training({"workers": workers}), name, INSTALLATION)
        return str(made["metadata"]["annotations"][ANNOTATION_HASH])

    assert shape({"replicas": 2}) == shape({"replicas": 5}, "other")
    assert shape({}) != shape({"additionalGroups": [SPOT]})
    assert shape({}) != shape({"resources": {"limits": {"cpu": "2", "memory": "4Gi"}}})


@pytest.mark.parametrize(
    ("workers", "sentence"),
    [
        (
            {
                "template": {
                    "spec": {"containers": [{"name": "ray-worker", "resources": {"limits": {"amd.com/gpu": 1}}}]}
                }
            },
            "spec.workers has limits of its own for amd.com/gpu: set spec.workers.gpusPerWorker, which is 0",
        ),
        (
            {"additionalGroups": [{"name": "a", "template": {"spec": {"restartPolicy": "Always"}}}]},
            "spec.workers.additionalGroups[a].template.spec.restartPolicy must stay Never",
        ),
        (
            {"additionalGroups": [{"name": "a", "resources": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}]},
            "spec.workers.additionalGroups[a].resources.requests.cpu is more than its limit",
        ),
    ],
)
def test_what_cannot_work_in_a_group_is_said(workers: dict[str, Any], sentence: str) -> None:
    (problem,) = spec_problems(training({"workers": workers}), INSTALLATION)
    assert sentence in problem


@pytest.mark.parametrize(
    ("workers", "sentence"),
    [
        ({"maxReplicas": 4}, "Kueue does not admit a RayCluster with autoscaling"),
        (
            {"additionalGroups": [{"name": f"g{number}"} for number in range(7)]},
            "Kueue admits a RayCluster with at most 7 groups of workers, and this one has 8",
        ),
    ],
)
def test_what_kueues_webhook_would_refuse_is_refused_first(workers: dict[str, Any], sentence: str) -> None:
    queued = training({"workers": workers}, labels={"kueue.x-k8s.io/queue-name": "team"})
    (problem,) = spec_problems(queued, INSTALLATION)
    assert sentence in problem
    assert spec_problems(training({"workers": workers}), INSTALLATION) == []
