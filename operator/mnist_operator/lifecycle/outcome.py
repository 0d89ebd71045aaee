"""Compose the next status: every transition ends in one of these."""

from __future__ import annotations

import hashlib
from typing import Any

from mnist_kube.times import seconds, timestamp
from mnist_operator.api.groups import ServiceType
from mnist_operator.api.status import (
    Condition,
    CountedRun,
    LastFailure,
    Phase,
    RayClusterStatus,
    RayJobStatus,
)
from mnist_operator.builders.metadata import cluster_name
from mnist_operator.builders.pods import DASHBOARD_PORT
from mnist_operator.lifecycle.children import ClusterView
from mnist_operator.lifecycle.conditions import ConditionType, with_condition
from mnist_operator.lifecycle.decision import Action, Decision, Event
from mnist_operator.lifecycle.facts import STARTING, Facts

_WARNINGS = frozenset(
    {
        "InvalidSpec",
        "SecretNotFound",
        "SecretInvalid",
        "ClusterNotFound",
        "ClusterUnfit",
        "ChildConflict",
        "QuotaExceeded",
        "Forbidden",
        "ChildRefused",
        "KubeRayMissing",
        "KubeRayTooOld",
        "Retrying",
        "Preempted",
        "ClusterStuck",
        "NamespaceTerminating",
        "TrainerSilent",
        "WorkersRestarting",
    }
)


def to(
    facts: Facts,
    transition: str,
    phase: Phase,
    reason: str,
    message: str,
    *,
    conditions: dict[ConditionType, tuple[bool | None, str, str]] | None = None,
    actions: tuple[Action, ...] = (),
    look_again: float | None = None,
    verify: bool = False,
    events: tuple[Event, ...] = (),
    **fields: Any,
) -> Decision:
    """Return the decision that brings a training to `phase`, for `reason`, with what else changes."""
    now = timestamp(facts.now)
    listed: list[Condition] = list(facts.status.conditions)
    for kind, (status, why, sentence) in (conditions or {}).items():
        listed = with_condition(listed, kind, status, why, sentence, generation=facts.training.generation, now=now)
    status_after = facts.status.model_copy(
        update={
            "observed_generation": facts.training.generation,
            "phase": phase,
            "reason": reason,
            "message": message,
            "conditions": listed,
            **count_lost_workers(facts),
            **fields,
        }
    )
    events = (*lost_worker_events(facts), *events)
    if (facts.status.phase, facts.status.reason) != (phase, reason):
        warning = phase is Phase.FAILED or reason in _WARNINGS
        events = (*events, Event(reason, message, warning=warning))
    deadline = None if phase in {Phase.SUCCEEDED, Phase.FAILED, Phase.SUSPENDED} else facts.until(facts.deadline)
    times = [moment for moment in (look_again, deadline) if moment is not None]
    return Decision(transition, status_after, actions, events, min(times) if times else None, verify)


def lost_workers(facts: Facts) -> int:
    """Return how many lost workers the trainer reports that are not counted yet, of whatever attempt it is."""
    report, counted = facts.status.training, facts.status.counted_run
    if report is None:
        return 0
    before = counted.lost_workers if counted is not None and counted.run_id == report.run_id else 0
    return max(0, (report.lost_workers or 0) - before)


def count_lost_workers(facts: Facts) -> dict[str, Any]:
    """Return the status fields that count the lost workers; none when no more are reported."""
    lost, report = lost_workers(facts), facts.status.training
    if not lost or report is None:
        return {}
    counted = CountedRun(run_id=report.run_id, lost_workers=report.lost_workers or 0)
    return {"lost_workers": (facts.status.lost_workers or 0) + lost, "counted_run": counted}


def lost_worker_events(facts: Facts) -> tuple[Event, ...]:
    """Return the event of lost workers that are not counted yet: one, however many they are."""
    lost, report = lost_workers(facts), facts.status.training
    if not lost or report is None:
        return ()
    last = report.last_lost_worker
    if last is None:
        message = f"{lost} worker{'s were' if lost > 1 else ' was'} lost."
    else:
        who = (
            f"Worker {last.name} was lost" if lost == 1 else f"{lost} workers were lost, {last.name} the last of them,"
        )
        when = f" in epoch {last.epoch}" if last.epoch else ""
        message = f"{who}{when}. {last.message}".rstrip()
    return (Event("WorkerLost", message, warning=True),)


def unchanged(facts: Facts, transition: str, *actions: Action, look_again: float | None = None) -> Decision:
    """Return a decision that leaves the status as it is."""
    return Decision(transition, facts.status, actions, (), look_again)


def start_attempt(facts: Facts, transition: str) -> Decision:
    """Begin the next attempt. Only the status is written: an attempt must stand there before anything of it exists."""
    attempt = facts.attempt + 1
    keeps_cluster = facts.cluster is not None and not facts.cluster.deleting and not facts.suspended
    name = facts.cluster_name if keeps_cluster or facts.shared else cluster_name(facts.training, attempt)
    kept = facts.cluster_status.model_copy(update={"worker_restarts": None})
    cluster = kept if keeps_cluster else RayClusterStatus(name=name)
    started = facts.status.start_time
    if started is None or facts.suspended:
        started = timestamp(facts.now)  # as batch/v1 Job does: a suspension starts the clock anew
    return to(
        facts,
        transition,
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
    )


def fail_attempt(
    facts: Facts,
    transition: str,
    reason: str,
    message: str,
    *,
    retryable: bool,
    log_tail: str | None = None,
) -> Decision:
    """Note that the current attempt failed, and either plan the next one or give up.

    Args:
        facts: what is known.
        transition: the transition that says so.
        reason: one CamelCase word.
        message: a sentence.
        retryable: whether another attempt may succeed.
        log_tail: the last lines of the job's log, redacted.
    """
    failures = (facts.status.failures or 0) + 1
    limit = facts.spec.run_policy.backoff_limit
    failure = _end_of_attempt(facts, reason, message, log_tail)
    if not retryable or failures > limit:
        given_up = "" if not retryable or limit == 0 else f" (gave up after {failures} failed attempts)"
        return fail(facts, transition, reason, f"{message}{given_up}", failures=failures, last_failure=failure)
    delay = retry_delay(facts, failures)
    return to(
        facts,
        transition,
        Phase.PENDING,
        "Retrying",
        f"Attempt {facts.attempt} failed: {message} The next attempt follows in about {delay:.0f} s "
        f"(failure {failures} of {limit} allowed).",
        conditions={ConditionType.JOB_RUNNING: (False, reason, message)},
        look_again=delay,
        failures=failures,
        last_failure=failure,
        next_attempt_time=timestamp(facts.now + seconds(delay)),
    )


def start_over(facts: Facts, transition: str, reason: str, message: str, *, delay: float = 0.0) -> Decision:
    """End the current attempt for a cause outside of it; the next one does not count against backoffLimit."""
    message = f"{message} The training goes on from its last checkpoint in attempt {facts.attempt + 1}."
    return to(
        facts,
        transition,
        Phase.PENDING,
        reason,
        message,
        conditions={ConditionType.JOB_RUNNING: (False, reason, message)},
        look_again=max(0.1, delay),
        last_failure=_end_of_attempt(facts, reason, message, None),
        next_attempt_time=timestamp(facts.now + seconds(delay)),
    )


def _end_of_attempt(facts: Facts, reason: str, message: str, log_tail: str | None) -> LastFailure:
    return LastFailure(
        attempt=max(1, facts.attempt),
        reason=reason,
        message=message[:1024],
        time=timestamp(facts.now),
        log_tail=log_tail,
    )


def retry_delay(facts: Facts, failures: int) -> float:
    """Return the seconds before the next attempt: doubling, capped, and spread by up to half.

    The spread is taken from the training's uid and the attempt, so that the same decision comes out however often it
    is made, and trainings that failed together do not return together.
    """
    whole = min(facts.policy.retry_cap, facts.policy.retry_base * 2.0 ** min(failures - 1, 16))
    digest = hashlib.sha256(f"{facts.training.uid}/{facts.attempt}".encode()).digest()
    return whole * (1.0 + 0.5 * digest[0] / 255)


def fail(facts: Facts, transition: str, reason: str, message: str, **fields: Any) -> Decision:
    """End the training as failed."""
    return to(
        facts,
        transition,
        Phase.FAILED,
        reason,
        message,
        conditions={
            ConditionType.JOB_RUNNING: (False, reason, message),
            ConditionType.COMPLETE: (False, reason, message),
            ConditionType.FAILED: (True, reason, message),
        },
        completion_time=timestamp(facts.now),
        next_attempt_time=None,
        **fields,
    )


def succeed(facts: Facts, transition: str) -> Decision:
    """End the training as succeeded, with the result that the trainer sealed."""
    assert facts.report is not None
    assert facts.report.result is not None
    result = facts.report.result
    accuracy = "" if result.accuracy is None else f" with {result.accuracy:.2%} accuracy on the test images"
    message = f"Trained{accuracy}"
    return to(
        facts,
        transition,
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
        **cluster_fields(facts),
        **_closing(job_fields(facts)),
    )


def _closing(fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what will not be looked at any more: how the job is closed changes nothing."""
    return {name: value.model_copy(update={"status": None}) for name, value in fields.items()}


def cluster_fields(facts: Facts) -> dict[str, Any]:
    """Return the status field of the cluster, as it is seen now."""
    cluster = facts.cluster
    if cluster is None:
        return {}
    wanted = cluster.wanted_workers or facts.spec.workers.total
    return {
        "ray_cluster": RayClusterStatus(
            name=cluster.name,
            state=cluster.state or None,
            workers=f"{cluster.ready_workers}/{wanted}",
            worker_restarts=facts.worker_restarts,
            head_pod=cluster.head_pod or facts.cluster_status.head_pod,
            dashboard=_dashboard(facts, cluster),
        )
    }


def _dashboard(facts: Facts, cluster: ClusterView) -> str | None:
    """Where people find the dashboard: outside of the cluster where the head's Service leads there."""
    port, outside = cluster.dashboard_port, None if facts.shared else facts.spec.head.service_type
    if outside is ServiceType.LOAD_BALANCER and facts.observed.balancer:
        return f"http://{facts.observed.balancer}:{DASHBOARD_PORT}"
    if outside is ServiceType.NODE_PORT and port and port != str(DASHBOARD_PORT):
        return f"http://{facts.observed.node_address}:{port}"
    if facts.job is not None and facts.job.dashboard:
        return f"http://{facts.job.dashboard}"
    if cluster.head_service and facts.cluster_status.dashboard is None:
        return f"http://{cluster.head_service}.{facts.training.namespace}.svc:{DASHBOARD_PORT}"
    return facts.cluster_status.dashboard


def job_fields(facts: Facts) -> dict[str, Any]:
    """Return the status field of the job, as it is seen now."""
    job = facts.job
    if job is None:
        return {}
    before = facts.status.ray_job
    return {
        "ray_job": RayJobStatus(
            name=job.name,
            job_id=job.job_id,
            status=job.job_status or None,
            start_time=job.ray_start_time or (before.start_time if before else None),
        )
    }
