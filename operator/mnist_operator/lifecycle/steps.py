"""What each transition of the table does. Pure: a step returns a decision and changes nothing."""

from __future__ import annotations

from mnist_operator.api.spec import ClusterCleanup
from mnist_operator.api.status import Phase
from mnist_operator.lifecycle import outcome
from mnist_operator.lifecycle.children import ClusterView, JobView
from mnist_operator.lifecycle.conditions import ConditionType
from mnist_operator.lifecycle.decision import (
    Action,
    CreateCluster,
    CreateJob,
    Decision,
    Delete,
    DeleteTraining,
    EnsureSupport,
    Explain,
    ScaleCluster,
)
from mnist_operator.lifecycle.facts import SUSPENDING, Facts

# Clusters that are not ours are not watched.
_SHARED_POLL = 10.0
_JOB_FAILURES = {
    "SubmissionFailed": "KubeRay could not submit the job to Ray.",
    "JobStatusCheckTimeoutExceeded": "KubeRay could not reach the Ray dashboard for too long.",
    "JobDeploymentStatusTransitionGracePeriodExceeded": "KubeRay gave the job up: its submitter and Ray disagree.",
    "DeadlineExceeded": "KubeRay ended the job at a deadline.",
    "AppFailed": "KubeRay did not find the job on the Ray head any more.",
}


# --- over ---------------------------------------------------------------------------------------------------------


def leave_alone(facts: Facts, name: str) -> Decision:
    """Owner references take the children along."""
    return outcome.unchanged(facts, name)


def delete_training(facts: Facts, name: str) -> Decision:
    """Delete the training; the model stays."""
    return outcome.unchanged(facts, name, DeleteTraining())


def clean_up(facts: Facts, name: str) -> Decision:
    """Stop what may still run, then free the cluster as the policy says."""
    jobs = _deletions(facts.unended_jobs, "RayJob")
    if facts.unended_jobs:
        return outcome.unchanged(facts, name, *jobs, look_again=facts.until(facts.expires_at))
    cleanup = facts.spec.run_policy.cluster_cleanup
    succeeded = facts.status.phase is Phase.SUCCEEDED
    frees = cleanup is ClusterCleanup.ON_FINISH or (cleanup is ClusterCleanup.ON_SUCCESS and succeeded)
    clusters = _deletions(facts.own_clusters, "RayCluster") if frees else ()
    return outcome.unchanged(facts, name, *clusters, look_again=facts.until(facts.expires_at))


def succeed(facts: Facts, name: str) -> Decision:
    """The model is sealed: copy the result."""
    return outcome.succeed(facts, name)


# --- stopped on purpose -------------------------------------------------------------------------------------------


def stop_jobs(facts: Facts, name: str) -> Decision:
    """Delete the RayJob: KubeRay asks Ray to stop it, and the trainer gets its moment to end well."""
    return _suspending(facts, name, "Stopping the job", _deletions(facts.unended_jobs, "RayJob"))


def stop_clusters(facts: Facts, name: str) -> Decision:
    """Delete the cluster: that frees the pods and proves that the old processes are dead."""
    return _suspending(facts, name, "Freeing the pods", _deletions(facts.own_clusters, "RayCluster"))


def suspend(facts: Facts, name: str) -> Decision:
    """Nothing runs any more."""
    message = "Suspended; set spec.runPolicy.suspend to false to go on from the last checkpoint"
    return outcome.to(
        facts,
        name,
        Phase.SUSPENDED,
        "Suspended",
        message,
        conditions={
            ConditionType.CLUSTER_READY: (False, "Suspended", ""),
            ConditionType.JOB_RUNNING: (False, "Suspended", ""),
            ConditionType.SUSPENDED: (True, "Suspended", message),
        },
        ray_cluster=None,
        ray_job=None,
        next_attempt_time=None,
    )


def exceed_deadline(facts: Facts, name: str) -> Decision:
    """Fail for good; cleaning up stops what still runs."""
    limit = facts.spec.run_policy.active_deadline_seconds
    return outcome.fail(
        facts, name, "DeadlineExceeded", f"Took longer than activeDeadlineSeconds ({limit} s) over all attempts"
    )


# --- between attempts ---------------------------------------------------------------------------------------------


def end_attempt(facts: Facts, name: str) -> Decision:
    """Make sure that the failed attempt is dead: its job goes first, then its cluster."""
    if facts.unended_jobs:
        return outcome.unchanged(facts, name, *_deletions(facts.unended_jobs, "RayJob"), look_again=5.0)
    return outcome.unchanged(facts, name, *_deletions(facts.own_clusters, "RayCluster"), look_again=5.0)


def wait_to_retry(facts: Facts, name: str) -> Decision:
    """The delay before the next attempt."""
    return outcome.unchanged(facts, name, look_again=facts.until(facts.next_attempt_at))


def refuse_spec(facts: Facts, name: str) -> Decision:
    """Say what cannot work; a changed spec is looked at anew."""
    message = "; ".join(facts.observed.spec_problems)
    return outcome.to(
        facts,
        name,
        Phase.PENDING,
        "InvalidSpec",
        message,
        conditions={ConditionType.ACCEPTED: (False, "InvalidSpec", message)},
    )


def wait_for_credentials(facts: Facts, name: str) -> Decision:
    """Say which Secret is missing or unfit, and keep looking: GitOps may bring it later."""
    problem = facts.observed.credentials
    assert problem is not None
    return outcome.to(
        facts,
        name,
        Phase.PENDING,
        problem.reason,
        problem.message,
        conditions={ConditionType.ACCEPTED: (False, problem.reason, problem.message)},
        look_again=facts.policy.missing_secret_poll,
    )


def start_attempt(facts: Facts, name: str) -> Decision:
    """Write the attempt's number down before anything of it exists."""
    return outcome.start_attempt(facts, name)


# --- the attempt's job --------------------------------------------------------------------------------------------


def lose_job(facts: Facts, name: str) -> Decision:
    """Somebody deleted the RayJob; what it started may still run, so the cluster goes before the next attempt."""
    return outcome.fail_attempt(
        facts, name, "RayJobDeleted", "The RayJob was deleted while the training needed it.", retryable=True
    )


def judge_finished_job(facts: Facts, name: str) -> Decision:
    """The job is over without a sealed model: find out why, from the trainer's own report before all else."""
    job = facts.job
    assert job is not None
    report = facts.report
    if job.succeeded and job.entrypoint_ended:
        return _without_result(facts, name)
    tail = outcome.redacted_tail(job.message)
    if report is not None and report.failure is not None:
        failure = report.failure
        return outcome.fail_attempt(
            facts, name, failure.reason, failure.message, retryable=failure.retryable, log_tail=tail
        )
    if job.never_ran:
        return outcome.fail_attempt(
            facts, name, "RayJobRefused", f"KubeRay refused the RayJob: {job.message}", retryable=False
        )
    if job.entrypoint_ended:
        how = "was stopped" if job.job_status == "STOPPED" else "ended without saying why"
        message = f"The trainer {how}; the end of its log is in status.lastFailure.logTail."
        return outcome.fail_attempt(facts, name, job.reason or "JobStopped", message, retryable=True, log_tail=tail)
    message = _JOB_FAILURES.get(job.reason, "KubeRay gave the job up.")
    return outcome.fail_attempt(facts, name, job.reason or "JobFailed", message, retryable=True, log_tail=tail)


def lose_cluster(facts: Facts, name: str) -> Decision:
    """The cluster is gone, and with it every process of the attempt."""
    if facts.cluster is not None and facts.cluster.suspended and facts.cluster.queue is not None:
        message = f"Kueue took back the quota of queue {facts.cluster.queue}."
        return outcome.fail_attempt(facts, name, "Preempted", message, retryable=True, counts=False)
    message = f"The RayCluster {facts.cluster_name} was deleted or suspended while the training needed it."
    return outcome.fail_attempt(facts, name, "RayClusterLost", message, retryable=True)


def run(facts: Facts, name: str) -> Decision:
    """The job runs; the trainer itself reports how far it is."""
    count, events = outcome.restarts(facts)
    workers = facts.spec.workers.replicas
    message = f"Training on {workers} worker{'s' if workers > 1 else ''}"
    return outcome.to(
        facts,
        name,
        Phase.RUNNING,
        "Running",
        message,
        conditions={
            ConditionType.CLUSTER_READY: _readiness(facts),
            ConditionType.JOB_RUNNING: (True, "Running", "The Ray job runs"),
        },
        actions=(EnsureSupport(), *_scaling(facts)),
        events=events,
        restarts=count,
        **outcome.cluster_fields(facts),
        **outcome.job_fields(facts),
    )


def wait_for_closing(facts: Facts, name: str) -> Decision:
    """The job has ended; how it counts is decided when KubeRay is done with it."""
    return outcome.to(
        facts,
        name,
        Phase.RUNNING,
        "Finishing",
        "The job has ended; waiting for KubeRay to close it",
        **outcome.cluster_fields(facts),
        **outcome.job_fields(facts),
    )


def wait_for_job(facts: Facts, name: str) -> Decision:
    """The job is submitted, or on its way back after a lost head."""
    job = facts.job
    assert job is not None
    count, events = outcome.restarts(facts)
    was_running = facts.status.phase is Phase.RUNNING
    message = "Waiting for Ray to start the job again" if was_running else "Waiting for Ray to start the job"
    stuck = not was_running and facts.age(job.created) >= facts.policy.explain_after
    if stuck and facts.observed.explanation:
        message = f"{message}: {facts.observed.explanation}"
    return outcome.to(
        facts,
        name,
        Phase.RUNNING if was_running else Phase.PROVISIONING,
        "JobRestarting" if was_running else "JobStarting",
        message,
        conditions={
            ConditionType.CLUSTER_READY: _readiness(facts),
            ConditionType.JOB_RUNNING: (
                False,
                "JobRestarting" if was_running else "JobStarting",
                f"The Ray job is {job.job_status or 'not submitted yet'}",
            ),
        },
        actions=(EnsureSupport(), *((Explain("RayJob", job.name),) if stuck else ())),
        events=events,
        look_again=None if was_running else _explain_in(facts, job.created),
        restarts=count,
        **outcome.cluster_fields(facts),
        **outcome.job_fields(facts),
    )


# --- the attempt's cluster ----------------------------------------------------------------------------------------


def say_obstacle(facts: Facts, name: str) -> Decision:
    """Something in the cluster is in the way; the queue tries again, later and later."""
    obstacle = facts.observed.obstacle
    assert obstacle is not None
    return outcome.to(
        facts,
        name,
        Phase.PENDING if facts.cluster is None else Phase.PROVISIONING,
        obstacle.reason,
        obstacle.message,
        conditions={ConditionType.CLUSTER_READY: (False, obstacle.reason, obstacle.message)},
        **outcome.cluster_fields(facts),
    )


def create_cluster(facts: Facts, name: str) -> Decision:
    """Make the cluster, or wait for the one that the user named."""
    if facts.shared:
        message = f"RayCluster {facts.cluster_name}, named in spec.clusterRef, does not exist in this namespace"
        return outcome.to(
            facts,
            name,
            Phase.PENDING,
            "ClusterNotFound",
            message,
            conditions={ConditionType.CLUSTER_READY: (False, "ClusterNotFound", message)},
            look_again=_SHARED_POLL,
        )
    assert facts.cluster_name is not None
    return outcome.unchanged(facts, name, EnsureSupport(), CreateCluster(facts.cluster_name))


def refuse_cluster(facts: Facts, name: str) -> Decision:
    """The cluster that the user named is there, but does not fit."""
    message = facts.cluster_unfit
    assert message is not None
    return outcome.to(
        facts,
        name,
        Phase.PENDING,
        "ClusterUnfit",
        message,
        conditions={ConditionType.CLUSTER_READY: (False, "ClusterUnfit", message)},
        look_again=_SHARED_POLL,
    )


def wait_for_quota(facts: Facts, name: str) -> Decision:
    """Kueue un-suspends a cluster that it admits; nothing is to be done but to say so."""
    cluster = facts.cluster
    assert cluster is not None
    message = f"Waiting for quota in queue {cluster.queue}"
    return outcome.to(
        facts,
        name,
        Phase.PENDING,
        "WaitingForQuota",
        message,
        conditions={ConditionType.CLUSTER_READY: (False, "WaitingForQuota", message)},
        actions=(EnsureSupport(),),
        **outcome.cluster_fields(facts),
    )


def create_job(facts: Facts, name: str) -> Decision:
    """The cluster is ready: submit the attempt's job."""
    assert facts.cluster is not None
    return outcome.unchanged(facts, name, EnsureSupport(), CreateJob(facts.attempt, facts.cluster.name))


def wait_for_cluster(facts: Facts, name: str) -> Decision:
    """Say how far the cluster is, and why it does not come up when it takes long."""
    cluster = facts.cluster
    assert cluster is not None
    stuck = facts.age(cluster.created) >= facts.policy.explain_after
    problem = cluster.replica_failure or (stuck and (facts.observed.explanation or cluster.head_problem)) or None
    wanted = cluster.wanted_workers or facts.spec.workers.replicas
    progress = "head ready" if cluster.head_ready else "head starting"
    message = f"Starting Ray: {progress}, {cluster.ready_workers} of {wanted} workers ready"
    if problem:
        message = f"{message}. {problem}"
    return outcome.to(
        facts,
        name,
        Phase.PROVISIONING,
        "ClusterStuck" if problem else "ClusterStarting",
        message,
        conditions={ConditionType.CLUSTER_READY: (False, "ClusterStuck" if problem else "ClusterStarting", message)},
        actions=(EnsureSupport(), *_scaling(facts), *((Explain("RayCluster", cluster.name),) if stuck else ())),
        look_again=_SHARED_POLL if facts.shared else _explain_in(facts, cluster.created),
        **outcome.cluster_fields(facts),
    )


# --- shared -------------------------------------------------------------------------------------------------------


def _deletions(children: tuple[ClusterView, ...] | tuple[JobView, ...], kind: str) -> tuple[Action, ...]:
    which = "RayJob" if kind == "RayJob" else "RayCluster"
    return tuple(Delete(which, item.name, item.uid) for item in children if not item.deleting)  # type: ignore[arg-type]


def _suspending(facts: Facts, name: str, message: str, actions: tuple[Action, ...]) -> Decision:
    return outcome.to(
        facts,
        name,
        facts.status.phase or Phase.PENDING,
        SUSPENDING,
        f"Suspending: {message[0].lower()}{message[1:]}",
        conditions={
            ConditionType.JOB_RUNNING: (False, SUSPENDING, message),
            ConditionType.SUSPENDED: (False, SUSPENDING, message),
        },
        actions=actions,
    )


def _readiness(facts: Facts) -> tuple[bool | None, str, str]:
    cluster = facts.cluster
    if cluster is None:
        return (None, "Unknown", "")
    if cluster.usable:
        return (True, "Ready", f"RayCluster {cluster.name} is ready")
    what = "The head of RayCluster" if not cluster.head_ready else "RayCluster"
    return (False, "NotReady", f"{what} {cluster.name} is not ready")


def _scaling(facts: Facts) -> tuple[Action, ...]:
    cluster = facts.cluster
    return (ScaleCluster(cluster.name),) if cluster is not None and not facts.shared else ()


def _explain_in(facts: Facts, created: str | None) -> float:
    remaining = facts.policy.explain_after - facts.age(created)
    return remaining + 0.1 if remaining > 0 else facts.policy.explain_again


def _without_result(facts: Facts, name: str) -> Decision:
    """The job ended well, but no result was reported: the report may be on its way."""
    job = facts.job
    assert job is not None
    waited = facts.age(job.ended or job.created)
    if waited < facts.policy.report_grace:
        return outcome.to(
            facts,
            name,
            Phase.RUNNING,
            "Finishing",
            "The job has ended; waiting for the trainer's last report",
            look_again=facts.policy.report_grace - waited + 0.1,
            **outcome.job_fields(facts),
        )
    message = "The job ended without an error, but the trainer reported no result."
    return outcome.fail_attempt(facts, name, "NoResult", message, retryable=False)
