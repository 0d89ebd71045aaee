"""Losses that KubeRay does not tell of, quota that Kueue gives and takes, deadlines and cleaning up."""

from __future__ import annotations

import pytest
from tests.integration.operator.conftest import Scene
from tests.support.wait import wait_for

from mnist_kube.times import timestamp

QUEUED = {"kueue.x-k8s.io/queue-name": "team", "kueue.x-k8s.io/priority-class": "high"}


def test_a_job_that_is_said_to_run_while_nothing_runs_is_told_and_then_lost(scene: Scene) -> None:
    scene.start_operator(silence_seconds="2")
    scene.add_secret()
    scene.apply()
    scene.walk_to_running()
    scene.kuberay.report("mnist", state="Training", epoch=1)
    silent = scene.wait_status(phase="Running", reason="TrainerSilent")
    assert "KubeRay says that the job runs, but its trainer has not reported since" in silent["message"]
    job = next(item for item in silent["conditions"] if item["type"] == "JobRunning")
    assert (job["status"], job["reason"]) == ("Unknown", "TrainerSilent")
    lost = scene.wait_status(phase="Pending", reason="Retrying")
    assert (lost["failures"], lost["lastFailure"]["reason"]) == (1, "TrainerSilent")
    wait_for(
        lambda: scene.kube.items(scene.kuberay.clusters) == [], "the cluster to go: what is not seen may still run"
    )
    assert scene.events().count("TrainerSilent") == 1


def test_a_worker_that_is_lost_is_told_and_counted(brisk: Scene) -> None:
    brisk.apply()
    brisk.walk_to_running()
    said = "Training goes on from the end of epoch 2 once a worker replaces it."
    worker = {"name": "mnist-w-worker-abcde", "epoch": 3, "time": timestamp(), "message": said}
    for _ in range(2):
        brisk.kuberay.report("mnist", state="Training", epoch=2, workers=1, lostWorkers=1, lastLostWorker=worker)
        brisk.wait_status(lostWorkers=1)
    brisk.kuberay.seal("mnist", lostWorkers=1, lastLostWorker=worker)
    brisk.wait_status(phase="Succeeded")
    wait_for(lambda: brisk.events()[-1] == "Succeeded", "the last event")
    assert brisk.warnings() == [f"WorkerLost: Worker mnist-w-worker-abcde was lost in epoch 3. {said}"]


def test_a_cluster_suspended_under_a_running_job_is_noticed(brisk: Scene) -> None:
    brisk.apply()
    brisk.walk_to_running()
    brisk.kube.merge(brisk.cluster_path(), {"spec": {"suspend": True}})
    status = brisk.wait_status(phase="Pending", reason="Retrying")
    assert status["lastFailure"]["reason"] == "RayClusterLost"


def test_kueue_holds_back_admits_and_preempts(brisk: Scene) -> None:
    brisk.apply(labels=QUEUED, spec={"runPolicy": {"backoffLimit": 0}})
    cluster = brisk.wait_cluster()
    assert {key: cluster["metadata"]["labels"].get(key) for key in QUEUED} == QUEUED
    brisk.kube.merge(brisk.cluster_path(), {"spec": {"suspend": True}})
    brisk.wait_status(phase="Pending", reason="WaitingForQuota", message="Waiting for quota in queue team")
    brisk.kube.merge(brisk.cluster_path(), {"spec": {"suspend": False}})
    brisk.walk_to_running()
    job = brisk.kube.get(f"{brisk.kuberay.jobs}/mnist-1")
    assert job is not None
    assert not set(QUEUED) & set(job["metadata"]["labels"]), "the cluster takes up quota, not the job"

    first = brisk.cluster_path()
    brisk.kube.merge(first, {"spec": {"suspend": True}})
    status = brisk.wait_status(phase="Pending", reason="Preempted")
    assert (status["failures"], status["lastFailure"]["reason"]) == (0, "Preempted")
    wait_for(lambda: brisk.kube.get(first) is None, "the cluster to go")


def test_what_kueue_would_refuse_is_refused_first(brisk: Scene) -> None:
    brisk.apply(labels=QUEUED, spec={"workers": {"maxReplicas": 4}})
    status = brisk.wait_status(phase="Pending", reason="InvalidSpec")
    assert "Kueue does not admit a RayCluster with autoscaling" in status["message"]
    brisk.apply("wide", {"workers": {"additionalGroups": [{"name": f"g{n}"} for n in range(7)]}}, labels=QUEUED)
    status = brisk.wait_status("wide", phase="Pending", reason="InvalidSpec")
    assert "at most 7 groups of workers" in status["message"]
    assert brisk.kube.items(brisk.kuberay.clusters) == []


def test_a_deadline_ends_everything_and_what_it_leaves_goes_in_time(brisk: Scene) -> None:
    brisk.apply(spec={"runPolicy": {"activeDeadlineSeconds": 1000}})
    brisk.walk_to_running()
    brisk.change({"runPolicy": {"activeDeadlineSeconds": 1}})
    status = brisk.wait_status(phase="Failed", reason="DeadlineExceeded")
    assert "activeDeadlineSeconds (1 s)" in status["message"]
    brisk.change({"runPolicy": {"ttlSecondsAfterFinished": 1}})
    wait_for(lambda: brisk.kube.items(brisk.kuberay.clusters) == [], "the cluster to be freed")
    wait_for(lambda: brisk.kube.get(f"{brisk.trainings}/mnist") is None, "the training to go")


@pytest.mark.parametrize(("policy", "kept"), [("OnFinish", False), ("OnSuccess", True), ("Never", True)])
def test_the_cluster_of_a_failed_training_is_kept_or_freed_as_asked(policy: str, kept: bool, brisk: Scene) -> None:
    brisk.apply(spec={"runPolicy": {"clusterCleanup": policy, "backoffLimit": 0}})
    brisk.walk_to_running()
    brisk.kuberay.job_ends("mnist-1", well=False)
    brisk.wait_status(phase="Failed")
    if kept:
        # What comes after is looked at later.
        brisk.kube.merge(f"{brisk.trainings}/mnist", {"spec": {"runPolicy": {"ttlSecondsAfterFinished": 1000}}})
        brisk.apply("later")
        brisk.wait_cluster(name="later")
    wait_for(lambda: (brisk.kube.get(brisk.cluster_path()) is not None) is kept, f"the cluster to be kept: {kept}")
