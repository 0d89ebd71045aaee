"""How a training ends or stops, and what is done between a failed attempt and the next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mnist_kube.times import timestamp
from mnist_operator.api.spec import ClusterCleanup
from mnist_operator.api.status import ConditionType, Phase, RayClusterStatus
from mnist_operator.children.training import cluster_name
from mnist_operator.lifecycle import outcome, progress
from mnist_operator.lifecycle.decision import Action, Decision, DeleteTraining
from mnist_operator.lifecycle.facts import STARTING, SUSPENDING, Facts
from mnist_operator.lifecycle.steps.common import deletions


def leave_alone(facts: Facts) -> Decision:
    """Owner references take the children along."""
    return outcome.unchanged(facts)


def delete_training(facts: Facts) -> Decision:
    """Delete the training; the model stays."""
    return outcome.unchanged(facts, DeleteTraining())


def clean_up(facts: Facts) -> Decision:
    """Let the job of a sealed model end by itself for a while, stop what may still run, then free the cluster."""
    # Or Argo CD and Flux would wait for ever for a changed spec to be seen.
    seen = facts.status.model_copy(update={"observed_generation": facts.training.generation})
    return replace(_free(facts), status=seen)


def _free(facts: Facts) -> Decision:
    jobs = deletions(facts.unended_jobs, "RayJob")
    if facts.unended_jobs and (closing := facts.closing_ends_in):
        expires = facts.until(facts.expires_at)
        return outcome.unchanged(facts, look_again=min(closing + 0.1, expires or closing + 0.1))
    if facts.unended_jobs:
        return outcome.unchanged(facts, *jobs, look_again=facts.until(facts.expires_at))
    cleanup = facts.spec.run_policy.cluster_cleanup
    succeeded = facts.status.phase is Phase.SUCCEEDED
    frees = cleanup is ClusterCleanup.ON_FINISH or (cleanup is ClusterCleanup.ON_SUCCESS and succeeded)
    clusters = deletions(facts.own_clusters, "RayCluster") if frees else ()
    return outcome.unchanged(facts, *clusters, look_again=facts.until(facts.expires_at))


def succeed(facts: Facts) -> Decision:
    """The model is sealed: copy the result."""
    assert facts.report is not None
    assert facts.report.result is not None
    result = facts.report.result
    accuracy = "" if result.accuracy is None else f" with {result.accuracy:.2%} accuracy on the test images"
    message = f"Trained{accuracy}"
    return outcome.to(
        facts,
        Phase.SUCCEEDED,
        "Succeeded",
        message,
        conditions={
            ConditionType.JOB_RUNNING: (False, "Succeeded", "The trainer has sealed its model"),
            ConditionType.COMPLETE: (True, "Succeeded", message),
            ConditionType.FAILED: (False, "Succeeded", ""),
        },
        result=result,
        completion_time=timestamp(facts.now),
        next_attempt_time=None,
        **progress.cluster_fields(facts),
        **_closing(progress.job_fields(facts)),
    )


def _closing(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what will not be looked at any more: how the job is closed changes nothing."""
    return {name: value.model_copy(update={"status": None}) for name, value in fields.items()}


def stop_jobs(facts: Facts) -> Decision:
    """Delete the RayJob: KubeRay asks Ray to stop it, and the trainer gets its moment to end well."""
    return _suspending(facts, "Stopping the job", deletions(facts.unended_jobs, "RayJob"))


def stop_clusters(facts: Facts) -> Decision:
    """Delete the cluster: that frees the pods and proves that the old processes are dead."""
    return _suspending(facts, "Freeing the pods", deletions(facts.own_clusters, "RayCluster"))


def suspend(facts: Facts) -> Decision:
    """Nothing runs any more."""
    message = "Suspended; set spec.runPolicy.suspend to false to go on from the last checkpoint"
    return outcome.to(
        facts,
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


def exceed_deadline(facts: Facts) -> Decision:
    """Fail for good; cleaning up stops what still runs."""
    limit = facts.spec.run_policy.active_deadline_seconds
    return outcome.fail(
        facts, "DeadlineExceeded", f"Took longer than activeDeadlineSeconds ({limit} s) over all attempts"
    )


def _suspending(facts: Facts, message: str, actions: tuple[Action, ...]) -> Decision:
    return outcome.to(
        facts,
        facts.status.phase or Phase.PENDING,
        SUSPENDING,
        f"Suspending: {message[0].lower()}{message[1:]}",
        conditions={
            ConditionType.JOB_RUNNING: (False, SUSPENDING, message),
            ConditionType.SUSPENDED: (False, SUSPENDING, message),
        },
        actions=actions,
    )


def end_attempt(facts: Facts) -> Decision:
    """Make sure that the failed attempt is dead: its job goes first, then its cluster."""
    if facts.unended_jobs:
        return outcome.unchanged(facts, *deletions(facts.unended_jobs, "RayJob"), look_again=5.0)
    return outcome.unchanged(facts, *deletions(facts.own_clusters, "RayCluster"), look_again=5.0)


def wait_to_retry(facts: Facts) -> Decision:
    """The delay before the next attempt."""
    return outcome.unchanged(facts, look_again=facts.until(facts.next_attempt_at))


def refuse_spec(facts: Facts) -> Decision:
    """Say what cannot work; a changed spec is looked at anew."""
    message = "; ".join(facts.observed.spec_problems)
    return outcome.to(
        facts,
        Phase.PENDING,
        "InvalidSpec",
        message,
        conditions={ConditionType.ACCEPTED: (False, "InvalidSpec", message)},
    )


def wait_for_credentials(facts: Facts) -> Decision:
    """Say which Secret is missing or unfit, and keep looking: GitOps may bring it later."""
    problem = facts.observed.credentials
    assert problem is not None
    return outcome.to(
        facts,
        Phase.PENDING,
        problem.reason,
        problem.message,
        conditions={ConditionType.ACCEPTED: (False, problem.reason, problem.message)},
        look_again=facts.policy.missing_secret_poll,
    )


def start_attempt(facts: Facts) -> Decision:
    """Write the attempt's number down before anything of it exists."""
    attempt = facts.attempt + 1
    keeps_cluster = facts.cluster is not None and not facts.cluster.deleting and not facts.suspended
    name = facts.cluster_name if keeps_cluster or facts.shared else cluster_name(facts.training, attempt)
    kept = facts.cluster_status.model_copy(update={"worker_restarts": None})
    cluster = kept if keeps_cluster else RayClusterStatus(name=name)
    started = facts.status.start_time
    if started is None or facts.suspended:
        started = timestamp(facts.now)  # as batch/v1 Job does: a suspension starts the clock anew
    return outcome.to(
        facts,
        Phase.PROVISIONING,
        STARTING,
        f"Starting Ray for attempt {attempt}" if attempt > 1 else "Starting Ray",
        conditions={
            ConditionType.ACCEPTED: (True, "Accepted", "The spec is valid and the storage credentials are there"),
            **(
                {}
                if keeps_cluster
                else {ConditionType.CLUSTER_READY: (False, STARTING, f"RayCluster {name} is being made")}
            ),
            ConditionType.JOB_RUNNING: (False, "AttemptStarted", f"Attempt {attempt} has not started its job yet"),
            ConditionType.SUSPENDED: (False, "Active", ""),
            ConditionType.COMPLETE: (False, "InProgress", ""),
            ConditionType.FAILED: (False, "InProgress", ""),
        },
        attempt=attempt,
        failures=facts.status.failures or 0,
        restarts=facts.status.restarts or 0,
        next_attempt_time=None,
        ray_cluster=cluster,
        ray_job=None,
        start_time=started,
        # That a new training begins is seen by its status; the first event is that its cluster is ready.
        is_news=attempt > 1 or facts.suspended,
    )
