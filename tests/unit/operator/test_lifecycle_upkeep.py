"""The life of a training, by example: silence, scaling, rotated credentials, shared clusters, quota."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.operator.world import Cluster, World

from mnist_operator.api.status import Phase
from mnist_operator.lifecycle.decision import FindAddress
from mnist_operator.lifecycle.observed import DEFAULT_POLICY
from mnist_operator.lifecycle.table import decide


def silent_world(spec: dict[str, Any] | None = None) -> World:
    """A job that KubeRay calls RUNNING while its trainer has not reported for five minutes."""
    world = World(spec or {})
    world.run_until_training()
    world.pass_time(301)
    world.reconcile()
    return world


def test_a_silent_trainer_is_told_first_and_lost_later() -> None:
    world = silent_world()
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "TrainerSilent")
    assert world.status.message == (
        "KubeRay says that the job runs, but its trainer has not reported since 2026-11-21T12:00:00Z"
    )
    assert world.condition("JobRunning") == ("Unknown", "TrainerSilent")
    assert world.events[-1].warning
    assert not world.clusters[0].deleting
    world.pass_time(301)
    world.reconcile()
    assert (world.status.reason, world.status.failures) == ("Retrying", 1)
    assert world.status.last_failure is not None
    assert world.status.last_failure.reason == "TrainerSilent"
    assert world.jobs[0].deleting
    world.deletions_complete()
    world.reconcile()
    assert world.clusters[0].deleting, "what cannot be seen may still run"
    world.deletions_complete()
    world.pass_time(20)
    world.reconcile()
    assert world.status.attempt == 2


def test_a_trainer_that_hangs_after_it_sealed_its_model_has_succeeded() -> None:
    world = World({"runPolicy": {"backoffLimit": 0}})
    world.run_until_training()
    world.trainer_seals()
    world.reconcile()
    assert world.status.phase is Phase.SUCCEEDED
    assert not world.jobs[0].deleting, "it may end by itself"
    world.pass_time(301)
    world.reconcile()
    assert world.status.phase is Phase.SUCCEEDED
    assert world.jobs[0].deleting


def test_a_trainer_that_speaks_again_is_believed() -> None:
    world = silent_world()
    world.report(state="Training", epoch=2)
    world.reconcile()
    assert (world.status.reason, world.condition("JobRunning")) == ("Running", ("True", "Running"))


def test_a_jump_of_the_clock_ends_no_training() -> None:
    """A laptop that slept, or a machine whose time was put right: everybody seems silent for a moment."""
    world = World()
    world.run_until_training()
    world.pass_time(36_000)
    decision = decide(world.observed())
    assert decision.verify, "silence is checked at the API before it is acted on"
    world.reconcile()
    assert world.status.reason == "TrainerSilent"
    world.pass_time(60)
    world.report(state="Training", epoch=2)
    world.reconcile()
    assert (world.status.reason, world.status.failures) == ("Running", 0)


def test_a_job_that_never_comes_back_after_a_lost_head_is_given_up() -> None:
    world = World()
    world.run_until_training()
    assert world.job is not None
    world.job.status = ""
    world.reconcile()
    assert world.status.reason == "JobRestarting"
    for _ in range(2):
        world.pass_time(301)
        world.reconcile()
    assert world.status.reason == "Retrying"


def test_a_silent_trainer_on_a_shared_cluster_is_only_told() -> None:
    world = World({"clusterRef": {"name": "shared"}})
    world.clusters.append(Cluster("shared", "other", world.now, ready=True, owner="somebody"))
    world.run_until_training()
    for _ in range(4):
        world.pass_time(301)
        world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "TrainerSilent")
    assert "delete the RayJob to start over" in (world.status.message or "")


def test_more_workers_than_the_trainer_was_told_of_start_it_over() -> None:
    world = World({"workers": {"replicas": 2}})
    world.run_until_training()
    world.spec = {"workers": {"replicas": 3}}
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "Rescaled")
    assert world.status.message == (
        "The number of workers was changed to 3. The training goes on from its last checkpoint in attempt 2."
    )
    assert world.jobs[0].deleting
    assert not world.clusters[0].deleting, "the job goes first: the trainer gets its moment"
    for _ in range(2):
        world.deletions_complete()
        world.reconcile()
    world.run_until_training()
    assert (world.status.attempt, world.status.failures, world.jobs[0].workers) == (2, 0, "3-3")


def test_an_elastic_trainer_goes_on_with_more_or_fewer_workers() -> None:
    world = World({"workers": {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}})
    world.run_until_training()
    for replicas in (1, 4, 3):
        world.spec = {"workers": {"replicas": replicas, "minReplicas": 1, "maxReplicas": 4}}
        world.reconcile()
        assert (world.status.phase, world.status.attempt) == (Phase.RUNNING, 1)


def test_a_retry_takes_a_new_cluster_when_the_spec_asks_for_another() -> None:
    world = World()
    world.run_until_training()
    world.spec = {"ray": {"image": "mine:2"}}
    world.reconcile()
    assert world.status.phase is Phase.RUNNING, "an image takes effect at the next attempt"
    world.trainer_fails()
    world.job_ends(well=False)
    world.reconcile()
    assert world.clusters[0].deleting
    world.deletions_complete()
    world.pass_time(20)
    world.reconcile()
    assert [cluster.name for cluster in world.clusters] == [world.cluster_name(2)]


def test_credentials_that_were_rotated_under_a_trainer_cost_one_attempt_and_not_the_training() -> None:
    world = World()
    for version, phase in (("2", Phase.PENDING), ("2", Phase.FAILED)):
        world.run_until_training()
        world.secret_version = version
        world.trainer_fails("StoreAccessDenied", retryable=False)
        world.job_ends(well=False)
        world.reconcile()
        assert world.status.phase is phase
        world.pass_time(20)


def test_a_rayjob_made_invalid_while_it_ran_is_not_taken_for_dead() -> None:
    world = World()
    world.run_until_training()
    assert world.job is not None
    world.job.deployment = "ValidationFailed"
    world.reconcile()
    assert world.status.reason == "Retrying"
    assert world.clusters[0].deleting


def test_a_cluster_suspended_by_hand_before_its_job_is_not_waited_for() -> None:
    world = World()
    world.reconcile()
    world.clusters[0].suspended = True
    world.reconcile()
    assert world.status.last_failure is not None
    assert world.status.last_failure.reason == "RayClusterLost"


def test_a_shared_cluster_that_is_too_small_is_told() -> None:
    world = World({"clusterRef": {"name": "shared"}, "workers": {"replicas": 4, "gpusPerWorker": 1}})
    world.clusters.append(Cluster("shared", "other", world.now, ready=True, owner="somebody", cpus="8", gpus="2"))
    world.reconcile()
    assert world.status.reason == "ClusterUnfit"
    assert "has 2 GPUs in all, and 4 workers need 4" in (world.status.message or "")
    world.clusters[0].autoscaled = True
    world.reconcile()
    assert [job.name for job in world.jobs] == ["mnist-1"]


def test_a_training_that_waits_for_workers_says_so() -> None:
    world = World({"clusterRef": {"name": "shared"}})
    world.clusters.append(Cluster("shared", "other", world.now, ready=True, owner="somebody"))
    world.run_until_training()
    world.report(state="LoadingData")
    world.reconcile()
    assert world.status.reason == "Running", "workers take their time"
    world.pass_time(61)
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "WaitingForWorkers")
    assert world.status.message == "Waiting for 2 workers on RayCluster shared, which other trainings may be using"
    world.report(state="Training", workers=2)
    world.reconcile()
    assert (world.status.reason, world.status.message) == ("Running", "Training on 2 workers")


@pytest.mark.parametrize(
    ("kind", "port", "balancer", "address"),
    [
        ("ClusterIP", "8265", None, "http://{cluster}-head-svc.default.svc:8265"),
        ("NodePort", "31265", None, "http://<node>:31265"),
        ("LoadBalancer", "32265", None, "http://{cluster}-head-svc.default.svc:8265"),
        ("LoadBalancer", "32265", "203.0.113.7", "http://203.0.113.7:8265"),
    ],
)
def test_the_dashboards_address(kind: str, port: str, balancer: str | None, address: str) -> None:
    world = World({"head": {"serviceType": kind}}, balancer=balancer)
    world.reconcile()
    world.clusters[0].port = port
    world.run_until_training()
    assert world.status.ray_cluster is not None
    assert world.status.ray_cluster.dashboard == address.format(cluster=world.cluster_name(1))
    asks = any(isinstance(action, FindAddress) for action in decide(world.observed()).actions)
    assert asks is (kind == "LoadBalancer" and balancer is None)


def test_a_quota_that_stops_pods_is_called_so() -> None:
    world = World()
    world.reconcile()
    world.clusters[0].failure = 'pods "w" is forbidden: exceeded quota: small, requested: pods=1, used: pods=2'
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PROVISIONING, "QuotaExceeded")
    assert "exceeded quota: small" in (world.status.message or "")


def test_a_trainer_may_miss_some_heartbeats_before_it_is_called_silent() -> None:
    contract = json.loads((Path(__file__).parents[3] / "contracts" / "trainer.json").read_text())
    assert DEFAULT_POLICY.silent_after >= 4 * contract["heartbeatSeconds"]
