"""The life of a training, by example."""

from __future__ import annotations

import pytest
from tests.unit.operator.world import Cluster, World

from mnist_operator.api.status import Phase
from mnist_operator.lifecycle.observed import Obstacle
from mnist_operator.lifecycle.progress import redacted_tail
from mnist_operator.lifecycle.table import TRANSITIONS, decide


def test_the_straight_path() -> None:
    world = World()
    world.reconcile()
    assert (world.status.phase, world.status.attempt) == (Phase.PROVISIONING, 1)
    assert [cluster.name for cluster in world.clusters] == [world.cluster_name(1)]
    assert world.jobs == []

    world.clusters_become_ready()
    world.reconcile()
    assert [(job.name, job.cluster) for job in world.jobs] == [("mnist-1", world.cluster_name(1))]
    assert world.condition("ClusterReady") == ("True", "Ready")

    world.job_runs()
    world.reconcile()
    assert world.status.phase is Phase.RUNNING
    assert world.condition("JobRunning") == ("True", "Running")

    world.trainer_seals()
    world.reconcile()
    assert world.status.phase is Phase.SUCCEEDED, "a sealed model is the success; closing the job can follow"
    assert (world.jobs[0].deleting, world.clusters[0].deleting) == (False, False), "the job ends by itself"

    world.job_ends(well=True)
    world.reconcile()
    assert world.status.result is not None
    assert world.status.result.accuracy == 0.99
    assert world.condition("Complete") == ("True", "Succeeded")
    types = {condition.type for condition in world.status.conditions}
    assert types == {"Accepted", "ClusterReady", "JobRunning", "Complete"}, "nothing is said of what did not happen"
    world.deletions_complete()
    world.reconcile()
    assert world.clusters == [], "a finished training keeps no pods"
    assert world.writes <= 8
    assert [event.reason for event in world.events] == ["JobStarting", "Running", "Succeeded"]


def test_a_look_without_news_writes_nothing() -> None:
    world = World()
    world.run_until_training()
    writes, events = world.writes, len(world.events)
    for _ in range(10):
        world.pass_time(60)
        world.report(state="Training", epoch=2)
        world.reconcile()
    assert (world.writes, len(world.events)) == (writes, events)


def test_the_attempt_is_written_before_anything_of_it_exists() -> None:
    world = World()
    first = decide(world.observed())
    assert (first.transition, first.status.attempt, first.actions) == ("AttemptStarting", 1, ())


def test_no_job_before_the_cluster_is_ready() -> None:
    world = World()
    world.reconcile()
    world.pass_time(5)
    world.reconcile()
    assert world.jobs == []
    assert world.status.message == "Starting Ray: head starting, 0 of 2 workers ready"


def test_a_cluster_that_kuberay_has_not_noticed_yet_costs_no_write() -> None:
    world = World(kuberay_works=False)
    world.reconcile()
    assert (world.writes, len(world.clusters)) == (1, 1)
    assert (world.status.reason, world.status.message) == ("ClusterStarting", "Starting Ray")
    world.kuberay_begins()
    world.reconcile()
    assert world.writes == 2
    assert world.status.message == "Starting Ray: head starting, 0 of 2 workers ready"


def test_a_kuberay_that_takes_no_notice_is_said_to() -> None:
    world = World(kuberay_works=False)
    world.reconcile()
    assert world.reconcile().look_again == pytest.approx(60, abs=1)
    world.pass_time(61)
    world.reconcile()
    assert world.status.reason == "ClusterStarting", "its events are being read"
    world.pass_time(31)
    world.reconcile()
    assert world.status.reason == "ClusterStuck"
    assert "is its operator running?" in (world.status.message or "")
    writes = world.writes
    world.pass_time(300)
    world.reconcile()
    assert world.writes == writes
    world.clusters_become_ready()
    world.reconcile()
    assert [job.name for job in world.jobs] == ["mnist-1"]


def test_an_obstacle_that_is_gone_is_not_told_of_any_more_although_kuberay_is_away() -> None:
    world = World(kuberay_works=False, obstacle=Obstacle("QuotaExceeded", "The namespace's quota has no room"))
    world.reconcile()
    assert world.status.reason == "QuotaExceeded"
    world.obstacle = None
    world.reconcile()
    assert (world.status.reason, len(world.clusters)) == ("ClusterStarting", 1)


def test_a_spec_that_changes_before_kuberay_noticed_is_observed() -> None:
    world = World(kuberay_works=False)
    world.reconcile()
    world.generation = 2
    world.reconcile()
    assert world.status.observed_generation == 2


def test_a_cluster_that_does_not_come_up_says_why() -> None:
    world = World()
    world.reconcile()
    world.pass_time(65)
    world.explanation = "InvalidRayClusterSpec: the name is too long"
    world.reconcile()
    assert world.status.reason == "ClusterStuck"
    assert "the name is too long" in (world.status.message or "")
    assert world.events[-1].warning


def test_missing_credentials_are_waited_for() -> None:
    world = World(credentials=Obstacle("SecretNotFound", "Secret default/minio-credentials does not exist"))
    decision = world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "SecretNotFound")
    assert world.condition("Accepted") == ("False", "SecretNotFound")
    assert decision.look_again
    assert world.clusters == []
    world.credentials = None
    world.reconcile()
    assert world.status.phase is Phase.PROVISIONING
    assert world.condition("Accepted")[0] == "True"


def test_an_impossible_spec_is_refused_in_words() -> None:
    world = World(problems=("spec.ray.version is 9.9.9",))
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "InvalidSpec")
    assert world.status.message == "spec.ray.version is 9.9.9"


def test_an_obstacle_is_told_and_then_overcome() -> None:
    world = World()
    world.write(decide(world.observed()))
    world.obstacle = Obstacle("ChildConflict", "RayCluster mnist-1 exists")
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "ChildConflict")
    world.obstacle = None
    world.reconcile()
    assert world.status.phase is Phase.PROVISIONING


@pytest.mark.parametrize("reason", ["DatasetInvalid", "DatasetNotFound", "StoreAccessDenied", "BucketNotFound"])
def test_bad_input_is_never_retried(reason: str) -> None:
    world = World()
    world.run_until_training()
    world.trainer_fails(reason, retryable=False)
    world.job_ends(well=False)
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, reason)
    assert world.status.message == "It broke."
    assert world.condition("Failed") == ("True", reason)
    assert world.status.failures == 1
    assert world.events[-1].warning


def test_a_passing_failure_is_retried_on_the_same_cluster() -> None:
    world = World()
    world.run_until_training()
    world.trainer_fails()
    world.job_ends(well=False)
    decision = world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "Retrying")
    assert decision.look_again is not None
    assert 10 <= decision.look_again <= 15
    world.pass_time(16)
    world.reconcile()
    assert world.status.attempt == 2
    assert [job.name for job in world.jobs] == ["mnist-1", "mnist-2"]
    assert {job.cluster for job in world.jobs} == {world.cluster_name(1)}


def test_retries_end_at_the_backoff_limit() -> None:
    world = World({"runPolicy": {"backoffLimit": 1}})
    for _ in range(2):
        world.run_until_training()
        world.trainer_fails()
        world.job_ends(well=False, message="exit code 69")
        world.reconcile()
        world.pass_time(400)
    assert world.status.phase is Phase.FAILED
    assert "gave up after 2 failed attempts" in (world.status.message or "")
    assert world.status.last_failure is not None
    assert world.status.last_failure.log_tail == "exit code 69"


def test_a_trainer_that_dies_without_a_word_leaves_its_log() -> None:
    world = World({"runPolicy": {"backoffLimit": 0}})
    world.run_until_training()
    world.job_ends(well=False, message="Segmentation fault")
    world.reconcile()
    assert world.status.last_failure is not None
    assert world.status.last_failure.log_tail == "Segmentation fault"
    assert "logTail" in (world.status.message or "")


def test_a_report_of_another_attempt_counts_for_nothing() -> None:
    world = World()
    world.run_until_training()
    world.trainer_fails()
    world.job_ends(well=False)
    world.reconcile()
    world.pass_time(20)
    world.reconcile()
    world.trainer_seals()
    world.status = world.status.model_copy(update={"training": world.status.training.model_copy(update={"attempt": 1})})
    world.job_ends(well=False)
    world.reconcile()
    assert world.status.phase is Phase.PENDING


def test_a_sealed_model_outranks_what_kuberay_says_of_the_job() -> None:
    world = World()
    world.run_until_training()
    world.trainer_seals()
    world.job_ends(well=False)
    world.job.reason = "JobDeploymentStatusTransitionGracePeriodExceeded"
    world.reconcile()
    assert world.status.phase is Phase.SUCCEEDED


def test_a_job_that_kuberay_gave_up_may_still_run_so_its_cluster_goes_first() -> None:
    world = World()
    world.run_until_training()
    job = world.job
    assert job is not None
    job.deployment, job.reason = "Failed", "JobStatusCheckTimeoutExceeded"
    world.reconcile()
    assert world.status.reason == "Retrying"
    world.pass_time(400)
    world.reconcile()
    assert world.status.attempt == 1, "the old process is not proven dead"
    assert world.clusters[0].deleting
    world.deletions_complete()
    world.reconcile()
    assert world.status.attempt == 2
    assert [cluster.name for cluster in world.clusters] == [world.cluster_name(2)]


def test_a_rayjob_deleted_by_hand_is_noticed() -> None:
    world = World()
    world.run_until_training()
    world.jobs.clear()
    world.reconcile()
    assert world.status.reason == "Retrying"
    assert world.status.last_failure is not None
    assert world.status.last_failure.reason == "RayJobDeleted"
    assert world.clusters[0].deleting


def test_a_cluster_deleted_under_a_running_job_is_noticed() -> None:
    world = World()
    world.run_until_training()
    world.clusters.clear()
    world.reconcile()
    assert world.status.last_failure is not None
    assert world.status.last_failure.reason == "RayClusterLost"
    assert world.jobs[0].deleting, "its RayJob still says RUNNING; it goes too"


def test_a_restart_by_kuberay_is_counted_and_shown() -> None:
    world = World()
    world.run_until_training()
    assert world.job is not None
    world.clusters[0].head += 1
    world.job.status = "Failure"
    world.pass_time(5)
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "JobRestarting")
    world.job.status, world.job.started = "RUNNING", world.now
    world.reconcile()
    assert (world.status.phase, world.status.restarts, world.status.attempt) == (Phase.RUNNING, 1, 1)
    assert {"HeadLost", "JobRestarted"} <= {event.reason for event in world.events}


def test_suspend_stops_the_job_then_frees_the_pods() -> None:
    world = World()
    world.run_until_training()
    world.spec = {"runPolicy": {"suspend": True}}
    world.reconcile()
    assert world.jobs[0].deleting
    assert not world.clusters[0].deleting, "the job goes first: the trainer gets its moment"
    world.deletions_complete()
    world.reconcile()
    assert world.clusters[0].deleting
    assert world.status.phase is Phase.RUNNING, "not suspended while anything may run"
    world.deletions_complete()
    world.reconcile()
    assert world.status.phase is Phase.SUSPENDED
    assert world.condition("Suspended") == ("True", "Suspended")


def test_resume_is_a_new_attempt_that_costs_nothing() -> None:
    world = World({"runPolicy": {"suspend": True}})
    world.reconcile()
    assert world.status.phase is Phase.SUSPENDED, "suspended from birth"
    assert world.clusters == []
    world.spec = {}
    world.run_until_training()
    world.spec = {"runPolicy": {"suspend": True}}
    for _ in range(3):
        world.reconcile()
        world.deletions_complete()
    world.reconcile()
    world.spec = {}
    world.reconcile()
    assert (world.status.attempt, world.status.failures) == (2, 0)
    assert [cluster.name for cluster in world.clusters] == [world.cluster_name(2)]
    assert world.condition("Suspended")[0] == "False"


def test_a_suspension_taken_back_half_way_is_ended_first() -> None:
    world = World()
    world.run_until_training()
    world.spec = {"runPolicy": {"suspend": True}}
    world.reconcile()
    world.spec = {}
    world.deletions_complete()
    world.reconcile()
    world.deletions_complete()
    world.reconcile()
    assert (world.status.attempt, world.status.failures) == (2, 0)


def test_a_deadline_ends_everything() -> None:
    world = World({"runPolicy": {"activeDeadlineSeconds": 60}})
    world.run_until_training()
    world.pass_time(61)
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert world.jobs[0].deleting
    world.deletions_complete()
    world.reconcile()
    assert world.clusters[0].deleting


def test_a_finished_training_is_deleted_after_its_time_to_live() -> None:
    world = World({"runPolicy": {"ttlSecondsAfterFinished": 30}})
    world.run_until_training()
    world.trainer_seals()
    world.job_ends(well=True)
    decision = world.reconcile()
    assert decision.look_again == 30
    world.pass_time(31)
    world.reconcile()
    assert world.deleted


@pytest.mark.parametrize(
    ("policy", "well", "kept"),
    [
        ("OnFinish", True, False),
        ("OnFinish", False, False),
        ("OnSuccess", True, False),
        ("OnSuccess", False, True),
        ("Never", True, True),
        ("Never", False, True),
    ],
)
def test_cluster_cleanup(policy: str, well: bool, kept: bool) -> None:
    world = World({"runPolicy": {"clusterCleanup": policy, "backoffLimit": 0}})
    world.run_until_training()
    if well:
        world.trainer_seals()
    world.job_ends(well=well)
    world.reconcile()
    assert (not world.clusters[0].deleting) is kept


def test_a_shared_cluster_is_used_and_never_deleted() -> None:
    world = World({"clusterRef": {"name": "shared"}})
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "ClusterNotFound")
    world.clusters.append(Cluster("shared", "other", world.now, ready=True, owner="somebody"))
    world.run_until_training()
    assert world.jobs[0].cluster == "shared"
    world.trainer_seals()
    world.job_ends(well=True)
    world.reconcile()
    assert world.status.phase is Phase.SUCCEEDED
    assert not world.clusters[0].deleting


def test_a_job_that_ends_well_without_a_result_is_not_called_a_success() -> None:
    world = World()
    world.run_until_training()
    world.job_ends(well=True)
    decision = world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "Finishing"), "its report may be on its way"
    assert decision.look_again is not None
    world.pass_time(decision.look_again)
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.FAILED, "NoResult")


def test_a_deleted_training_is_left_to_the_garbage_collector() -> None:
    world = World()
    world.run_until_training()
    world.deleting = True
    writes = world.writes
    world.reconcile()
    assert world.writes == writes
    assert not world.clusters[0].deleting


def test_log_tails_are_short_and_redacted() -> None:
    text = "x" * 5000 + "\nAWS_SECRET_ACCESS_KEY=hunter2 token: abc\nlast line"
    tail = redacted_tail(text)
    assert tail is not None
    assert len(tail) <= 2001
    assert "hunter2" not in tail
    assert "abc" not in tail
    assert tail.endswith("last line")
    assert redacted_tail("") is None


def test_every_row_of_the_table_has_a_name_of_its_own_and_says_what_it_does() -> None:
    assert len({row.name for row in TRANSITIONS}) == len(TRANSITIONS)
    assert all(row.then.__doc__ for row in TRANSITIONS)


def test_a_cluster_held_back_by_kueue_waits_for_quota() -> None:
    world = World()
    world.reconcile()
    world.clusters[0].queue, world.clusters[0].suspended = "team", True
    world.pass_time(600)
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "WaitingForQuota")
    assert world.status.message == "Waiting for quota in queue team"
    world.clusters[0].suspended = False
    world.run_until_training()
    assert world.status.phase is Phase.RUNNING


def test_preemption_by_kueue_costs_no_attempt_of_the_limit() -> None:
    world = World({"runPolicy": {"backoffLimit": 0}})
    world.run_until_training()
    world.clusters[0].queue, world.clusters[0].suspended = "team", True
    world.reconcile()
    assert world.status.reason == "Preempted"
    assert world.status.failures == 0
    for _ in range(3):
        world.deletions_complete()
        world.reconcile()
    world.pass_time(60)
    world.reconcile()
    assert [cluster.name for cluster in world.clusters] == [world.cluster_name(2)]


def test_an_unfit_shared_cluster_is_told() -> None:
    world = World({"clusterRef": {"name": "shared"}})
    world.clusters.append(Cluster("shared", "other", world.now, ready=True, owner="somebody", ray_version="2.9.0"))
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.PENDING, "ClusterUnfit")
    assert "runs Ray 2.9.0" in (world.status.message or "")
    assert world.jobs == []


def test_a_job_that_ended_is_not_called_restarting() -> None:
    world = World()
    world.run_until_training()
    assert world.job is not None
    world.job.status = "SUCCEEDED"
    world.reconcile()
    assert (world.status.phase, world.status.reason) == (Phase.RUNNING, "Finishing")
