"""Workers that are lost: told, counted, and not waited for without end."""

from __future__ import annotations

from typing import Any

from tests.unit.operator.world import Cluster, World

from mnist_kube.times import timestamp
from mnist_operator.api.status import LostWorker, Phase


def lose(world: World, count: int, name: str = "mnist-w-2", run: str = "run-1", **fields: Any) -> None:
    """The trainer reports that it has lost so many workers by now."""
    worker = LostWorker(
        name=name, epoch=3, time=timestamp(world.now), message="Training goes on from the end of epoch 2."
    )
    world.report(state="Training", epoch=2, workers=2, lost_workers=count, last_lost_worker=worker, **fields)
    assert world.status.training is not None
    report = world.status.training.model_copy(update={"run_id": run})
    world.status = world.status.model_copy(update={"training": report})
    world.reconcile()


def warnings(world: World, reason: str) -> list[str]:
    return [event.message for event in world.events if event.reason == reason and event.warning]


def test_a_lost_worker_is_told_once_and_counted() -> None:
    world = World()
    world.run_until_training()
    for _ in range(3):
        lose(world, 1)
    assert warnings(world, "WorkerLost") == [
        "Worker mnist-w-2 was lost in epoch 3. Training goes on from the end of epoch 2."
    ]
    assert world.status.lost_workers == 1
    lose(world, 3, "mnist-w-1")
    assert world.status.lost_workers == 3
    assert warnings(world, "WorkerLost")[1].startswith("2 workers were lost, mnist-w-1 the last of them, in epoch 3. ")


def test_every_run_and_every_attempt_counts_from_the_start() -> None:
    world = World()
    world.run_until_training()
    lose(world, 2)
    lose(world, 1, run="run-1b")
    lose(world, 2, run="run-1b")
    assert (world.status.lost_workers, len(warnings(world, "WorkerLost"))) == (4, 3)
    world.trainer_fails()
    world.job_ends(well=False)
    world.reconcile()
    world.pass_time(20)
    world.run_until_training()
    assert world.status.attempt == 2
    lose(world, 2, run="run-2")
    assert (world.status.lost_workers, len(warnings(world, "WorkerLost"))) == (6, 4)


def test_a_loss_that_is_first_seen_with_the_end_is_counted() -> None:
    world = World({"runPolicy": {"backoffLimit": 0}})
    world.run_until_training()
    lost = LostWorker(name="w", time=timestamp(world.now))
    world.report(state="Failed", lost_workers=4, last_lost_worker=lost)
    world.job_ends(well=False)
    world.reconcile()
    assert (world.status.phase, world.status.lost_workers) == (Phase.FAILED, 4)
    assert [event.reason for event in world.events[-2:]] == ["WorkerLost", world.status.reason]


def round_of_losses(world: World, *, ready: int = 2, epoch: int = 0) -> None:
    """All workers go, and come back."""
    for workers in (0, ready):
        world.clusters[0].workers = workers
        world.report(state="Training", epoch=epoch, workers=workers)
        world.pass_time(30)
        world.reconcile()


def test_workers_that_are_lost_again_and_again_are_said_to_restart_and_then_fail_the_attempt() -> None:
    world = World({"runPolicy": {"backoffLimit": 0}})
    world.run_until_training()
    round_of_losses(world)
    assert world.status.reason == "Running", "one loss of all is a loss"
    round_of_losses(world)
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "WorkersRestarting")
    assert world.status.message == (
        "4 worker pods were lost and no epoch was finished meanwhile: "
        "the nodes may be too busy or too small for 2 workers"
    )
    for _ in range(3):
        round_of_losses(world)
        assert world.status.reason == "WorkersRestarting", "no flipping to and fro"
    assert len(warnings(world, "WorkersRestarting")) == 1
    round_of_losses(world)
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "WorkersRestarting")
    assert "12 worker pods were lost" in (world.status.message or "")
    assert world.status.failures == 1


def test_a_finished_epoch_is_progress() -> None:
    world = World()
    world.run_until_training()
    for epoch in range(10):
        round_of_losses(world, epoch=epoch)
        assert world.status.reason == "Running"
    assert world.status.failures == 0


def test_a_retry_begins_with_fresh_workers_and_a_fresh_count() -> None:
    world = World()
    world.run_until_training()
    first = world.clusters[0].name
    for _ in range(6):
        if world.status.reason != "Retrying":
            round_of_losses(world)
    assert world.status.reason == "Retrying"
    for _ in range(3):
        world.deletions_complete()
        world.pass_time(30)
        world.reconcile()
    world.run_until_training()
    assert (world.status.attempt, world.status.failures, world.status.reason) == (2, 1, "Running")
    assert world.clusters[0].name != first


def test_workers_that_never_stay_before_there_is_a_job_are_told_too() -> None:
    world = World({"runPolicy": {"backoffLimit": 0}})
    world.reconcile()
    reasons = []
    for _ in range(6):
        for workers in (2, 0):
            world.clusters[0].workers = workers
            world.pass_time(20)
            world.reconcile()
        reasons.append(world.status.reason)
    assert reasons == ["ClusterStarting", *["WorkersRestarting"] * 5]
    assert (world.status.phase, world.jobs) == (Phase.FAILED, [])


def test_what_the_cluster_says_of_the_cause_is_passed_on() -> None:
    world = World()
    world.run_until_training()
    world.clusters[0].failure = "this machine is too busy for 2 workers"
    for _ in range(2):
        round_of_losses(world)
    assert (world.status.message or "").endswith(
        "no epoch was finished meanwhile: this machine is too busy for 2 workers"
    )


def test_workers_that_are_not_wanted_any_more_are_not_lost() -> None:
    world = World({"workers": {"replicas": 2, "minReplicas": 1, "maxReplicas": 4}})
    world.run_until_training()
    cluster = world.clusters[0]
    for _ in range(10):
        for wanted, ready in ((1, 2), (1, 1), (2, 1), (2, 2)):  # the autoscaler takes one away and brings one back
            cluster.wanted, cluster.workers = wanted, ready
            world.reconcile()
    assert world.status.ray_cluster is not None
    assert world.status.ray_cluster.workers == "2/2"
    assert world.status.ray_cluster.worker_restarts is None
    assert world.status.reason == "Running"


def test_the_workers_of_a_shared_cluster_are_its_owners_business() -> None:
    world = World({"clusterRef": {"name": "shared"}})
    world.clusters.append(Cluster("shared", "other", world.now, ready=True, owner="somebody"))
    world.run_until_training()
    for _ in range(10):
        round_of_losses(world)
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "Running")
