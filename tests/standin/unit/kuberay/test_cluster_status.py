"""The status of a RayCluster follows its pods as it did on the recorded cluster."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from tests.standin.unit.kuberay.builders import cluster, group, head, pod
from tests.standin.unit.kuberay.recordings import cluster_events

from mnist_local.kuberay import cluster_status
from mnist_local.kuberay.cluster_status import ReconcileError

SERVICE = {
    "metadata": {"name": "mnist-raycluster-head-svc"},
    "spec": {
        "clusterIP": "None",
        "ports": [
            {"name": name, "port": port}
            for name, port in {
                "client": 10001,
                "dashboard": 8265,
                "gcs-server": 6379,
                "metrics": 8080,
                "serve": 8000,
            }.items()
        ],
    },
}
NOW = "2026-11-21T06:00:00Z"


def _head_of(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The head pod that the recorded status tells of."""
    name = status["head"].get("podName")
    if not name:
        return []
    ready = next(entry for entry in status["conditions"] if entry["type"] == "HeadPodReady")
    result = head(name, phase="Pending" if ready["reason"] in {"Unknown", "ContainerCreating"} else "Running")
    result["status"]["podIP"] = status["head"].get("podIP", "")
    condition = {"type": "Ready", "status": ready["status"], "reason": ready["reason"], "message": ready["message"]}
    match ready["reason"]:
        case "Unknown":
            result["status"]["conditions"] = []
            return [result]
        case "ContainerCreating":
            message = ready["message"].partition(";")[0]
            condition |= {"reason": "ContainersNotReady", "message": message}
            result["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "ContainerCreating"}}
        case "HeadPodRunningAndReady":
            del condition["reason"]
        case "PodFailed":
            result["status"]["phase"] = "Failed"
    result["status"]["conditions"] = [condition]
    return [result]


def _workers_of(status: dict[str, Any], generation: int) -> list[dict[str, Any]]:
    available, ready = status.get("availableWorkerReplicas", 0), status.get("readyWorkerReplicas", 0)
    if available:
        return [pod("w", ready=bool(ready))]
    return [pod("w", phase="Pending", ready=False)] if status["head"].get("podName") and generation != 2 else []


def _spec(generation: int) -> dict[str, Any]:
    resources = {"requests": {"cpu": "200m", "memory": "512Mi"}}
    result = cluster(group(minReplicas=1, maxReplicas=1), **({"suspend": generation == 2} if generation > 1 else {}))
    for part in (result["spec"]["headGroupSpec"], *result["spec"]["workerGroupSpecs"]):
        part["template"]["spec"]["containers"][0]["resources"] = resources
    result["metadata"] |= {"name": "mnist-raycluster", "generation": generation}
    return result


EVENTS = cluster_events()
STEPS = [(before, after) for before, after in itertools.pairwise(EVENTS) if before["status"] != after["status"]]


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_each_recorded_transition_is_reproduced(step: int) -> None:
    before, after = STEPS[step]
    generation = after["metadata"]["generation"]
    instance = {**_spec(generation), "status": before["status"]}
    expected = after["status"]
    pods = [*_head_of(expected), *_workers_of(expected, generation)]

    computed = cluster_status.compute(instance, pods, SERVICE, None, expected["lastUpdateTime"])

    assert computed == expected
    assert cluster_status.worth_writing(before["status"], computed)


def test_lost_head_leaves_state_and_provisioned_as_they_were() -> None:
    instance = cluster(group(replicas=0))
    instance["status"] = cluster_status.compute(instance, [head()], SERVICE, None, NOW)
    assert instance["status"]["state"] == "ready"

    lost = cluster_status.compute(instance, [], SERVICE, None, NOW)

    conditions = {entry["type"]: entry for entry in lost["conditions"]}
    assert lost["state"] == "ready"
    assert conditions["RayClusterProvisioned"]["status"] == "True"
    assert conditions["HeadPodReady"]["reason"] == "HeadPodNotFound"
    assert "podName" not in lost["head"]


def test_not_ready_while_a_pod_too_many_exists() -> None:
    instance = cluster(group(replicas=1))
    status = cluster_status.compute(instance, [head(), pod("a"), pod("b")], SERVICE, None, NOW)
    assert "state" not in status


def test_removing_suspend_does_not_resume() -> None:
    instance = cluster(group(), suspend=True)
    for _ in range(2):
        instance["status"] = cluster_status.compute(instance, [], SERVICE, None, NOW)
    assert instance["status"]["state"] == "suspended"

    del instance["spec"]["suspend"]
    instance["status"] = cluster_status.compute(instance, [], SERVICE, None, NOW)
    assert cluster_status.suspend_stage(instance) == "RayClusterSuspended"

    instance["spec"]["suspend"] = False
    instance["status"] = cluster_status.compute(instance, [], SERVICE, None, NOW)
    assert cluster_status.suspend_stage(instance) is None


def test_a_refused_pod_shows_as_replica_failure_until_a_pass_succeeds() -> None:
    instance = cluster(group())
    error = ReconcileError("pods is forbidden: exceeded quota", "FailedCreateHeadPod")
    instance["status"] = cluster_status.compute(instance, [], SERVICE, error, NOW)
    failure = next(entry for entry in instance["status"]["conditions"] if entry["type"] == "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreateHeadPod")
    assert "exceeded quota" in failure["message"]

    instance["status"] = cluster_status.compute(instance, [head()], SERVICE, None, NOW)
    assert all(entry["type"] != "ReplicaFailure" for entry in instance["status"]["conditions"])


def test_cause_of_an_unstartable_head_is_in_its_condition() -> None:
    broken = head(phase="Pending", ready=False)
    broken["status"]["conditions"][0] |= {
        "reason": "ContainersNotReady",
        "message": "containers with unready status: [ray-head]",
    }
    broken["status"]["containerStatuses"][0]["state"] = {
        "waiting": {"reason": "CreateContainerConfigError", "message": 'secret "store" not found'}
    }
    status, reason, message = cluster_status.head_readiness(broken)
    assert (status, reason) == ("False", "CreateContainerConfigError")
    assert message == 'containers with unready status: [ray-head]; ray-head: secret "store" not found'
