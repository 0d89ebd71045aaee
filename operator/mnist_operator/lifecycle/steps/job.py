"""The attempt's RayJob: make it, wait for it, follow it, judge it, lose it."""

from __future__ import annotations

from dataclasses import replace

from mnist_operator.api.status import ConditionType, Phase
from mnist_operator.lifecycle import outcome, progress
from mnist_operator.lifecycle.decision import CreateJob, Decision, EnsureSupport, Explain
from mnist_operator.lifecycle.facts import TRAINER_SILENT, Facts
from mnist_operator.lifecycle.steps.common import explain_in, readiness, upkeep, wants_address

_ACCESS_DENIED = "StoreAccessDenied"
_JOB_FAILURES = {
    "SubmissionFailed": "KubeRay could not submit the job to Ray.",
    "JobStatusCheckTimeoutExceeded": "KubeRay could not reach the Ray dashboard for too long.",
    "JobDeploymentStatusTransitionGracePeriodExceeded": "KubeRay gave the job up: its submitter and Ray disagree.",
    "DeadlineExceeded": "KubeRay ended the job at a deadline.",
    "AppFailed": "KubeRay did not find the job on the Ray head any more.",
}


def create_job(facts: Facts) -> Decision:
    """The cluster is ready: submit the attempt's job."""
    assert facts.cluster is not None
    return outcome.unchanged(facts, EnsureSupport(), CreateJob(facts.attempt, facts.cluster.name))


def lose_job(facts: Facts) -> Decision:
    """Somebody deleted the RayJob; what it started may still run, so the cluster goes before the next attempt."""
    return outcome.fail_attempt(
        facts, "RayJobDeleted", "The RayJob was deleted while the training needed it.", retryable=True
    )


def judge_finished_job(facts: Facts) -> Decision:
    """The job is over without a sealed model: find out why, from the trainer's own report before all else."""
    job = facts.job
    assert job is not None
    report = facts.report
    if job.succeeded and job.entrypoint_ended:
        return _without_result(facts)
    tail = progress.redacted_tail(job.message)
    if report is not None and report.failure is not None:
        failure = report.failure
        if failure.reason == _ACCESS_DENIED and facts.credentials_rotated:
            message = f"{failure.message} The Secret has changed since the attempt began; the next one takes it anew."
            return outcome.fail_attempt(facts, failure.reason, message, retryable=True, log_tail=tail)
        return outcome.fail_attempt(facts, failure.reason, failure.message, retryable=failure.retryable, log_tail=tail)
    if job.never_ran:
        return outcome.fail_attempt(
            facts, "RayJobRefused", f"KubeRay refused the RayJob: {job.message}", retryable=False
        )
    if job.entrypoint_ended:
        how = "was stopped" if job.job_status == "STOPPED" else "ended without saying why"
        message = f"The trainer {how}; the end of its log is in status.lastFailure.logTail."
        return outcome.fail_attempt(facts, job.reason or "JobStopped", message, retryable=True, log_tail=tail)
    message = _JOB_FAILURES.get(job.reason, "KubeRay gave the job up.")
    return outcome.fail_attempt(facts, job.reason or "JobFailed", message, retryable=True, log_tail=tail)


def rescale(facts: Facts) -> Decision:
    """Another number of workers than the trainer was told: start over from the last checkpoint with that many."""
    workers = facts.spec.workers.total_replicas
    message = f"The number of workers was changed to {workers}."
    return outcome.start_over(facts, "Rescaled", message)


def lose_trainer(facts: Facts) -> Decision:
    """Nothing was heard of the trainer for too long: take it as lost; the cluster goes before the next attempt."""
    message = f"The job was said to run, but its trainer has not reported since {facts.last_sign}."
    decision = outcome.fail_attempt(facts, TRAINER_SILENT, message, retryable=True)
    return replace(decision, verify=True)


def say_silent(facts: Facts) -> Decision:
    """The job is said to run, but its trainer has not reported for long: say so, and keep looking."""
    message = f"KubeRay says that the job runs, but its trainer has not reported since {facts.last_sign}"
    if facts.shared:
        message += f". RayCluster {facts.cluster_name} is not the training's own: delete the RayJob to start over"
    return _running(facts, TRAINER_SILENT, message, sure=None, look_again=facts.policy.silent_after)


def run(facts: Facts) -> Decision:
    """The job runs; the trainer itself reports how far it is."""
    count = facts.spec.workers.total_replicas
    if facts.workers_restarting:
        return _running(facts, "WorkersRestarting", facts.workers_restarting, sure=True)
    if facts.waits_for_workers:
        others = ", which other trainings may be using" if facts.shared else ""
        message = f"Waiting for {count} worker{'s' if count > 1 else ''} on RayCluster {facts.cluster_name}{others}"
        return _running(facts, "WaitingForWorkers", message, sure=True)
    if facts.report is not None and facts.report.workers:
        count = facts.report.workers
    return _running(facts, "Running", f"Training on {count} worker{'s' if count > 1 else ''}", sure=True)


def _running(
    facts: Facts, reason: str, message: str, *, sure: bool | None, look_again: float | None = None
) -> Decision:
    count, events = progress.count_restarts(facts)
    times = [facts.policy.credentials_refresh, look_again or facts.policy.silent_after - facts.silence + 0.1]
    if wants_address(facts):
        times.append(facts.policy.address_poll)
    return outcome.to(
        facts,
        Phase.RUNNING,
        reason,
        message,
        conditions={
            ConditionType.CLUSTER_READY: readiness(facts),
            ConditionType.JOB_RUNNING: (
                sure,
                "Running" if sure else reason,
                "The Ray job runs" if sure else message,
            ),
        },
        actions=upkeep(facts),
        events=events,
        look_again=min(times),
        verify=sure is None,
        restarts=count,
        **progress.cluster_fields(facts),
        **progress.job_fields(facts),
    )


def wait_for_closing(facts: Facts) -> Decision:
    """The job has ended; how it counts is decided when KubeRay is done with it."""
    return outcome.to(
        facts,
        Phase.RUNNING,
        "Finishing",
        "The job has ended; waiting for KubeRay to close it",
        **progress.cluster_fields(facts),
        **progress.job_fields(facts),
    )


def wait_for_job(facts: Facts) -> Decision:
    """The job is submitted, or on its way back after a lost head."""
    job = facts.job
    assert job is not None
    count, events = progress.count_restarts(facts)
    was_running = facts.status.phase is Phase.RUNNING
    message = "Waiting for Ray to start the job again" if was_running else "Waiting for Ray to start the job"
    stuck = not was_running and facts.age(job.created) >= facts.policy.explain_after
    if stuck and facts.observed.explanation:
        message = f"{message}: {facts.observed.explanation}"
    return outcome.to(
        facts,
        Phase.RUNNING if was_running else Phase.PROVISIONING,
        "JobRestarting" if was_running else "JobStarting",
        message,
        conditions={
            ConditionType.CLUSTER_READY: readiness(facts),
            ConditionType.JOB_RUNNING: (
                False,
                "JobRestarting" if was_running else "JobStarting",
                f"The Ray job is {job.job_status or 'not submitted yet'}",
            ),
        },
        actions=(*upkeep(facts), *((Explain("RayJob", job.name),) if stuck else ())),
        events=events,
        look_again=facts.policy.silent_after if was_running else explain_in(facts, job.created),
        restarts=count,
        **progress.cluster_fields(facts),
        **progress.job_fields(facts),
    )


def _without_result(facts: Facts) -> Decision:
    """The job ended well, but no result was reported: the report may be on its way."""
    job = facts.job
    assert job is not None
    waited = facts.age(job.ended or job.created)
    if waited < facts.policy.report_grace:
        return outcome.to(
            facts,
            Phase.RUNNING,
            "Finishing",
            "The job has ended; waiting for the trainer's last report",
            look_again=facts.policy.report_grace - waited + 0.1,
            **progress.job_fields(facts),
        )
    message = "The job ended without an error, but the trainer reported no result."
    return outcome.fail_attempt(facts, "NoResult", message, retryable=False)
