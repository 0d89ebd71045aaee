"""The life of a training as one table: the first row whose condition holds decides.

Read it from the top: what ends a training comes before what stops it, that before what moves it on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mnist_operator.lifecycle.decision import Decision
from mnist_operator.lifecycle.facts import Facts
from mnist_operator.lifecycle.observed import Observed
from mnist_operator.lifecycle.steps import cluster, ending, job


@dataclass(frozen=True)
class Transition:
    """One row of the table."""

    name: str
    when: str
    holds: Callable[[Facts], bool]
    then: Callable[[Facts], Decision]


TRANSITIONS: tuple[Transition, ...] = (
    # Over
    Transition("Deleted", "the training is being deleted", lambda f: f.observed.deleting, ending.leave_alone),
    Transition(
        "Expired",
        "finished longer ago than ttlSecondsAfterFinished",
        lambda f: f.finished and f.expires_at is not None and f.now >= f.expires_at,
        ending.delete_training,
    ),
    Transition("Finished", "Succeeded or Failed", lambda f: f.finished, ending.clean_up),
    Transition(
        "Succeeded",
        "the trainer sealed a model and its report of it was accepted, however its job ends",
        lambda f: f.reported_success,
        ending.succeed,
    ),
    # Stopped on purpose
    Transition(
        "JobStopping",
        "suspension asked for, a job still runs",
        lambda f: f.must_stop and not f.suspended and bool(f.unended_jobs),
        ending.stop_jobs,
    ),
    Transition(
        "ClusterStopping",
        "suspension asked for, no job runs, the cluster is still there",
        lambda f: f.must_stop and not f.suspended and bool(f.own_clusters),
        ending.stop_clusters,
    ),
    Transition(
        "Suspended",
        "suspension asked for, nothing of the training runs",
        lambda f: f.must_stop,
        ending.suspend,
    ),
    Transition(
        "DeadlineExceeded",
        "activeDeadlineSeconds are over",
        lambda f: f.past_deadline,
        ending.exceed_deadline,
    ),
    # Between attempts
    Transition(
        "AttemptEnding",
        "the attempt failed, and its job is followed yet, its process is not proven dead, "
        "or its cluster is not what the spec asks for now",
        lambda f: f.failure is not None and (bool(f.unended_jobs) or not f.proven_dead or f.cluster_outdated),
        ending.end_attempt,
    ),
    Transition(
        "WaitingToRetry",
        "the attempt failed, and the delay before the next one is not over",
        lambda f: f.failure is not None and f.next_attempt_at is not None and f.now < f.next_attempt_at,
        ending.wait_to_retry,
    ),
    Transition(
        "SpecRefused",
        "the spec cannot work, and no job runs",
        lambda f: bool(f.observed.spec_problems) and f.job is None,
        ending.refuse_spec,
    ),
    Transition(
        "CredentialsMissing",
        "the storage credentials are missing, and no job runs",
        lambda f: f.observed.credentials is not None and (f.job is None or f.failure is not None),
        ending.wait_for_credentials,
    ),
    Transition(
        "AttemptStarting",
        "there is no attempt yet, the last one failed, or a suspension is over",
        lambda f: f.attempt == 0 or f.failure is not None or f.suspended,
        ending.start_attempt,
    ),
    # The attempt's job
    Transition(
        "JobLost",
        "the RayJob of this attempt was deleted by somebody else",
        lambda f: f.job_lost,
        job.lose_job,
    ),
    Transition(
        "JobFailed",
        "KubeRay is done with the RayJob, and no model was sealed",
        lambda f: f.job is not None and f.job.finished,
        job.judge_finished_job,
    ),
    Transition(
        "ClusterLost",
        "the RayCluster of this attempt is gone, going or suspended by somebody else",
        lambda f: f.cluster_lost,
        cluster.lose_cluster,
    ),
    Transition(
        "WorkersFailing",
        "worker pods are lost again and again without an epoch finished in between",
        lambda f: f.rounds_of_restarts >= f.policy.failing_rounds,
        cluster.give_up_restarting,
    ),
    Transition(
        "Rescaled",
        "spec.workers asks for a number of workers outside of what the job's trainer was told",
        lambda f: f.rescaled,
        job.rescale,
    ),
    Transition(
        "TrainerLost",
        "the job is said to run on an own cluster, and its trainer stayed silent after we had said so",
        lambda f: f.trainer_lost,
        job.lose_trainer,
    ),
    Transition(
        "TrainerSilent",
        "the job is said to run, and its trainer has not reported for long",
        lambda f: f.silent,
        job.say_silent,
    ),
    Transition("Running", "the job runs", lambda f: f.job is not None and f.job.running, job.run),
    Transition(
        "JobClosing",
        "the trainer ended, and KubeRay has not closed the RayJob yet",
        lambda f: f.job is not None and f.job.closing,
        job.wait_for_closing,
    ),
    Transition("JobStarting", "the job is not running yet", lambda f: f.job is not None, job.wait_for_job),
    # The attempt's cluster
    Transition(
        "Obstructed",
        "something kept an action from being done",
        lambda f: f.observed.obstacle is not None,
        cluster.say_obstacle,
    ),
    Transition("ClusterMissing", "there is no RayCluster yet", lambda f: f.cluster is None, cluster.create_cluster),
    Transition(
        "ClusterUnfit",
        "the RayCluster that the user named cannot serve this training",
        lambda f: f.cluster_unfit is not None,
        cluster.refuse_cluster,
    ),
    Transition(
        "ClusterQueued",
        "Kueue holds the RayCluster back until there is quota",
        lambda f: f.cluster is not None and f.cluster.suspended and f.cluster.queue is not None,
        cluster.wait_for_quota,
    ),
    Transition(
        "ClusterReady",
        "the RayCluster is ready",
        lambda f: f.cluster is not None and f.cluster.usable,
        job.create_job,
    ),
    Transition(
        "ClusterUnnoticed",
        "the RayCluster was just made, and KubeRay has said nothing of it yet",
        lambda f: f.cluster_unnoticed,
        cluster.wait_for_kuberay,
    ),
    Transition("ClusterStarting", "the RayCluster is not ready", lambda f: True, cluster.wait_for_cluster),
)


def decide(observed: Observed) -> Decision:
    """Return the next status of a training and what to do, from one look at it.

    Pure: the same observation gives the same decision, so it may be made any number of times.
    """
    facts = Facts(observed)
    for transition in TRANSITIONS:
        if transition.holds(facts):
            return replace(transition.then(facts), transition=transition.name)
    raise AssertionError("the last transition always holds")
