"""A sealed model is the success: at once, once, and however the job that made it ends."""

from __future__ import annotations

import pytest
from tests.unit.operator.world import World

from mnist_operator.api.status import Phase


def sealed(**policy: object) -> World:
    world = World({"runPolicy": {"backoffLimit": 0, **policy}})
    world.run_until_training()
    world.pass_time(5)
    world.trainer_seals()
    return world


def told(world: World) -> int:
    return sum(event.reason == "Succeeded" for event in world.events)


def test_a_job_that_never_closes_is_stopped_after_its_grace() -> None:
    world = sealed()
    decision = world.reconcile()
    assert world.status.phase is Phase.SUCCEEDED
    assert decision.look_again == pytest.approx(60, abs=1)
    world.pass_time(30)
    world.reconcile()
    assert not world.jobs[0].deleting
    world.pass_time(31)
    world.reconcile()
    assert world.jobs[0].deleting, "stopped"
    assert not world.clusters[0].deleting, "the job goes first"
    world.deletions_complete()
    world.reconcile()
    assert world.clusters[0].deleting
    assert (world.status.phase, told(world)) == (Phase.SUCCEEDED, 1)


def test_the_cluster_is_freed_as_soon_as_the_job_is_closed() -> None:
    world = sealed()
    world.reconcile()
    world.job_ends(well=True)
    world.reconcile()
    assert world.clusters[0].deleting
    assert not world.jobs[0].deleting, "its log stays"


@pytest.mark.parametrize("reason", ["AppFailed", "JobStatusCheckTimeoutExceeded", "DeadlineExceeded"])
def test_a_job_that_fails_to_close_takes_no_success_away(reason: str) -> None:
    world = sealed()
    world.reconcile()
    world.job_ends(well=False)
    assert world.job is not None
    world.job.reason = reason
    world.reconcile()
    world.deletions_complete()
    world.reconcile()
    assert (world.status.phase, told(world), world.status.failures) == (Phase.SUCCEEDED, 1, 0)
    assert world.status.attempt == 1


def test_a_job_that_is_started_over_after_the_seal_is_stopped_at_once() -> None:
    world = sealed()
    world.reconcile()
    result = world.status.result
    world.pass_time(5)
    assert world.job is not None
    world.job.started, world.job.sealed = world.now, False
    world.reconcile()
    assert world.jobs[0].deleting
    assert (world.status.phase, world.status.result) == (Phase.SUCCEEDED, result)


def test_a_trainer_that_claims_the_training_again_is_stopped_at_once() -> None:
    world = sealed()
    world.reconcile()
    world.report(state="Starting")
    world.reconcile()
    assert world.jobs[0].deleting
    assert (world.status.phase, told(world)) == (Phase.SUCCEEDED, 1)


@pytest.mark.parametrize("change", [{"suspend": True}, {"activeDeadlineSeconds": 1}])
def test_neither_a_suspension_nor_a_deadline_undoes_a_success(change: dict[str, object]) -> None:
    world = sealed()
    world.spec = {"runPolicy": change}
    world.reconcile()
    world.pass_time(100)
    world.reconcile()
    assert (world.status.phase, told(world)) == (Phase.SUCCEEDED, 1)


def test_the_jobs_last_status_is_not_left_standing() -> None:
    world = sealed()
    world.reconcile()
    assert world.status.ray_job is not None
    assert (world.status.ray_job.name, world.status.ray_job.status) == ("mnist-1", None)


def test_a_time_to_live_that_ends_during_the_grace_holds() -> None:
    world = sealed(ttlSecondsAfterFinished=10)
    decision = world.reconcile()
    assert decision.look_again == 10
    world.pass_time(11)
    world.reconcile()
    assert world.deleted
