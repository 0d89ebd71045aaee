"""What a training's page tells of it, its pods and its events."""

from __future__ import annotations

from typing import Any

import pytest

from mnist_portal.clusterview import cluster_view, queue_view
from mnist_portal.detail import can, events_of, figures_of, pod_view, pods_of, timeline


def training(name: str = "mnist", spec: dict[str, Any] | None = None, **status: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "lab", "uid": "u1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"metadata": metadata, "spec": spec or {"workers": {"replicas": 2}}, "status": status}


def pod(name: str, labels: dict[str, str], **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "lab", "labels": labels}, "spec": {}, "status": status}


def event(kind: str, name: str, reason: str, uid: str = "", time: str = "2026-01-01T00:01:00Z") -> dict[str, Any]:
    about = {"kind": kind, "name": name, **({"uid": uid} if uid else {})}
    return {"metadata": {}, "involvedObject": about, "reason": reason, "message": "a\nb", "lastTimestamp": time}


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no GPU"}
                ]
            },
            "Unschedulable: no GPU",
        ),
        (
            {
                "containerStatuses": [
                    {"name": "ray", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}
                ]
            },
            "ray: ImagePullBackOff x",
        ),
        (
            {"containerStatuses": [{"name": "ray", "state": {"terminated": {"reason": "OOMKilled", "exitCode": 137}}}]},
            "ray: OOMKilled (exit code 137)",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk"}, "Evicted disk"),
        ({"containerStatuses": [{"name": "ray", "state": {"terminated": {"reason": "Completed"}}}]}, ""),
    ],
)  # fmt: skip
def test_a_pod_says_why_it_waits_or_failed(status: dict[str, Any], why: str) -> None:
    assert pod_view(pod("p", {}, **status)).why == why


def test_pods_are_the_trainings_own_and_those_of_its_cluster_in_order() -> None:
    mine = {"mnist.training/training": "mnist"}
    pods = [
        pod("s", {**mine, "app.kubernetes.io/component": "submitter"}),
        pod("w", {"ray.io/cluster": "shared", "ray.io/node-type": "worker"}),
        pod("h", {**mine, "ray.io/node-type": "head"}),
        pod("x", {"mnist.training/training": "other"}),
    ]
    assert [one.name for one in pods_of(training(rayCluster={"name": "shared"}), pods)] == ["h", "w", "s"]


def test_events_are_those_of_this_training_and_not_of_a_former_one_or_of_another() -> None:
    events = [
        event("MnistTraining", "mnist", "Mine", uid="u1"),
        event("MnistTraining", "mnist", "Former", uid="u0"),
        event("MnistTraining", "mnist-two", "Another"),
        event("Pod", "mnist-1-abc", "Pulled", time="2026-01-01T00:02:00Z"),
        event("Pod", "elsewhere", "Pulled"),
    ]
    found = events_of(training(), [], events)
    assert [(one.reason, one.text) for one in found] == [("Pulled", "a b"), ("Mine", "a b")]


def test_the_timeline_is_in_order_and_names_failures_and_losses() -> None:
    status = {
        "conditions": [
            {"type": "Accepted", "status": "True", "reason": "R", "lastTransitionTime": "2026-01-01T00:00:01Z"},
            {"type": "Suspended", "status": "False", "reason": "R", "lastTransitionTime": "2026-01-01T00:00:02Z"},
            {"type": "Complete", "status": "True", "reason": "R", "lastTransitionTime": "2026-01-01T01:00:00Z"},
        ],
        "attempt": 2,
        "lastFailure": {"attempt": 1, "reason": "OutOfMemory", "time": "2026-01-01T00:10:00Z"},
        "training": {"attempt": 2, "lastLostWorker": {"name": "w-1", "time": "2026-01-01T00:20:00Z", "epoch": 3}},
    }
    moments = timeline(training(**status), events_of(training(), [], [event("MnistTraining", "mnist", "JobRestarted")]))
    assert [moment.title for moment in moments] == [
        "Created", "Accepted", "JobRestarted", "Attempt 1 failed: OutOfMemory", "A worker was lost", "Succeeded",
    ]  # fmt: skip
    assert moments[4].text == "worker w-1 was lost in epoch 3"


@pytest.mark.parametrize(
    ("status", "spec", "possible"),
    [
        ({"phase": "Running"}, {}, {"suspend", "scale", "delete", "retry"}),
        ({"phase": "Suspended"}, {"runPolicy": {"suspend": True}}, {"resume", "scale", "delete", "retry"}),
        ({"phase": "Succeeded"}, {}, {"delete", "retry"}),
        ({"phase": "Failed"}, {}, {"delete", "retry"}),
        ({}, {}, {"suspend", "scale", "delete", "retry"}),
    ],
)
def test_what_can_be_done_is_what_the_state_allows(
    status: dict[str, Any], spec: dict[str, Any], possible: set[str]
) -> None:
    assert {name for name, why_not in can(training(spec=spec, **status)).items() if not why_not} == possible


def test_figures_count_every_group_of_workers_and_only_the_present_attempt() -> None:
    spec = {"workers": {"replicas": 2, "additionalGroups": [{"name": "spot", "replicas": 3}]}}
    report = {"attempt": 1, "state": "Training", "loss": 0.1, "workers": 4}
    assert figures_of(training(spec=spec, phase="Running", attempt=1, training=report)).workers == "4 of 5"
    assert figures_of(training(spec=spec, phase="Running", attempt=2, training=report)).loss is None


def test_a_cluster_tells_who_holds_it() -> None:
    cluster = {
        "metadata": {"name": "wb", "namespace": "lab", "uid": "c", "labels": {"kueue.x-k8s.io/queue-name": "gpus"}},
        "spec": {"workerGroupSpecs": [{"minReplicas": 1, "maxReplicas": 4}, {"replicas": 2}]},
        "status": {"state": "ready", "desiredCPU": "2500m", "desiredMemory": "9Gi", "desiredGPU": "8"},
    }
    user = training("user", {"clusterRef": {"name": "wb"}}, phase="Running")
    ended = training("ended", {"clusterRef": {"name": "wb"}}, phase="Succeeded")
    view = cluster_view(cluster, [user, ended])
    assert (view.cpus, view.memory, view.gpus, view.least, view.most) == ("2.5", "9GiB", "8", 1, 6)
    assert (view.runs, view.is_shared, view.queue) == (["user"], True, "gpus")


def test_a_queue_tells_what_waits_in_it() -> None:
    waiting = training("waits", reason="WaitingForQuota", phase="Pending")
    waiting["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "gpus"}
    queue = {
        "metadata": {"name": "gpus", "namespace": "lab"}, "spec": {"clusterQueue": "all"},
        "status": {"pendingWorkloads": 1, "admittedWorkloads": 2},
    }  # fmt: skip
    view = queue_view(queue, [waiting, training("other", reason="WaitingForQuota")])
    assert (view.waiting, view.pending, view.admitted, view.cluster_queue) == (["waits"], 1, 2, "all")
