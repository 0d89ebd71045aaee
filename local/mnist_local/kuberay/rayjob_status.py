"""The state machine of a RayJob with clusterSelector: each function maps what is known to the next status."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mnist_local.kuberay import clock, names
from mnist_local.kuberay import constants as k
from mnist_local.kuberay.dashboard import JobInfo
from mnist_local.kuberay.json_types import Json

TERMINAL_JOB_STATUSES = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_MAX_MESSAGE = 32768
_NO_CLUSTER_STATUS = {**dict.fromkeys(("desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU"), "0"), "head": {}}
"""How Go writes an empty RayClusterStatus."""


@dataclass(frozen=True)
class Limits:
    """KubeRay's time limits, in seconds."""

    status_check_timeout_s: float = 300.0
    transition_grace_s: float = 300.0
    submitter_finished_s: float = 30.0
    keep_status_while_unreachable: bool = False
    """False: jobStatus becomes `Failure` while the dashboard cannot be reached, as behind an API server's proxy."""


@dataclass(frozen=True)
class SubmitterOutcome:
    """The end of a submitter's batch Job; `failure` is (reason, message) of its Failed condition."""

    finished_at: datetime
    failure: tuple[str, str] | None = None


def new_status(job: Json, now: datetime) -> Json:
    """Status of a RayJob seen for the first time: Initializing, with its job id and cluster."""
    job_id = job["spec"].get("jobId") or f"{job['metadata']['name']}-{names.suffix()}"
    return {
        "jobId": job_id,
        "rayClusterName": job["spec"]["clusterSelector"][k.CLUSTER_LABEL],
        "jobDeploymentStatus": "Initializing",
        "startTime": clock.rfc3339(now),
        "rayJobInfo": {},
        "rayClusterStatus": dict(_NO_CLUSTER_STATUS),
        "succeeded": 0,
        "failed": 0,
    }


def refused(status: Json, message: str) -> Json:
    """Status of a RayJob that KubeRay does not act on; it never leaves it."""
    return {**status, "jobDeploymentStatus": "ValidationFailed", "reason": "ValidationFailed", "message": message}


def waiting_for_cluster(status: Json, cluster: Json) -> Json:
    """Still Initializing; the cluster's status is shown."""
    return {**status, "rayClusterStatus": _cluster_status(cluster)}


def _cluster_status(cluster: Json) -> Json:
    return {**_NO_CLUSTER_STATUS, **(cluster.get("status") or {})}


def running(status: Json, dashboard_url: str) -> Json:
    """The cluster is ready; the job is being submitted."""
    return {**status, "dashboardURL": dashboard_url, "jobDeploymentStatus": "Running"}


def _failed(status: Json, reason: str, message: str) -> Json:
    return {**status, "jobDeploymentStatus": "Failed", "reason": reason, "message": message}


def _seconds_since(status: Json, field: str, now: datetime) -> float | None:
    value = status.get(field)
    return (now - clock.parse(value)).total_seconds() if value else None


def _go_time(text: str) -> str:
    return clock.parse(text).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def past_deadline(job: Json, now: datetime) -> Json | None:
    """The final status of a RayJob whose activeDeadlineSeconds, or preRunningDeadlineSeconds, are over."""
    status, spec = job["status"], job["spec"]
    age = _seconds_since(status, "startTime", now) or 0.0
    checks = [("activeDeadlineSeconds", "DeadlineExceeded")]
    if status["jobDeploymentStatus"] == "Initializing":
        checks.append(("preRunningDeadlineSeconds", "PreRunningDeadlineExceeded"))
    for field, reason in checks:
        limit = spec.get(field)
        if limit is not None and age >= limit:
            label = field[0].upper() + field[1:]
            message = f"The RayJob has passed the {field}. StartTime: {_go_time(status['startTime'])}. {label}: {limit}"
            return _failed(status, reason, message)
    return None


def past_grace(status: Json, limits: Limits, now: datetime) -> Json | None:
    """The final status of a RayJob that hangs: its Ray job ended long ago, or its dashboard is long unreachable."""
    if status.get("jobStatus") in TERMINAL_JOB_STATUSES:
        since_end = _seconds_since(status.get("rayJobInfo") or {}, "endTime", now)
        if since_end is not None and since_end >= limits.transition_grace_s:
            end = "Failed" if status["jobStatus"] == "FAILED" else "Complete"
            message = (
                "JobDeploymentStatus does not transition to Complete or Failed within the grace period "
                "after JobStatus reaches a terminal state."
            )
            reason = "JobDeploymentStatusTransitionGracePeriodExceeded"
            return {**status, "jobDeploymentStatus": end, "reason": reason, "message": message}
    failing = _seconds_since(status, "jobStatusCheckFailureStartTime", now)
    if failing is not None and failing >= limits.status_check_timeout_s:
        since = clock.parse(status["jobStatusCheckFailureStartTime"]).strftime("%Y-%m-%d %H:%M:%S")
        timeout = int(limits.status_check_timeout_s)
        message = f"Job status checks have been failing since {since}; exceeded timeout of {timeout}s"
        return _failed(status, "JobStatusCheckTimeoutExceeded", message)
    return None


def after_submitter(status: Json, outcome: SubmitterOutcome | None, limits: Limits, now: datetime) -> Json | None:
    """The final status where the submitter's end alone decides; None where Ray is still to be asked."""
    if outcome is None:
        return None
    if now >= outcome.finished_at + timedelta(seconds=limits.submitter_finished_s):
        at = outcome.finished_at.strftime("%Y-%m-%d %H:%M:%S")
        message = (
            f"The RayJob submitter finished at {at} but the ray job did not reach terminal state "
            f"within {int(limits.submitter_finished_s)}s"
        )
        late = _failed(status, "JobDeploymentStatusTransitionGracePeriodExceeded", message)
        return {**late, "jobStatus": "FAILED"}
    if outcome.failure is not None:
        if status.get("jobStatus") == "FAILED":
            return _failed(status, "AppFailed", status.get("message", ""))
        reason, message = outcome.failure
        text = f"Job submission has failed. Reason: {reason}. Message: {message}"
        return _failed(status, "SubmissionFailed", text)
    return None


def unreachable(status: Json, cause: str, cluster: Json, limits: Limits, now: datetime) -> Json:
    """The dashboard did not answer: not a failure, until it lasts too long."""
    after = {**status}
    after.setdefault("jobStatusCheckFailureStartTime", clock.rfc3339(now))
    if not limits.keep_status_while_unreachable:
        after |= {"jobStatus": "Failure", "message": cause, "rayClusterStatus": _cluster_status(cluster)}
    return after


def not_found(status: Json, outcome: SubmitterOutcome | None) -> Json | None:
    """Ray knows no such job: final once the submitter has finished, else None (it is yet to be submitted)."""
    if outcome is None:
        return None
    return _failed(status, "AppFailed", "Submitter completed but Ray job not found in RayCluster.")


def observed(status: Json, info: JobInfo, cluster: Json, submitter_done: bool) -> Json:
    """Status after Ray told of the job. A terminal job ends the RayJob once its submitter is done too."""
    after = {key: value for key, value in status.items() if key not in {"reason", "jobStatusCheckFailureStartTime"}}
    after |= {
        "jobStatus": info.status,
        "message": info.message[:_MAX_MESSAGE],
        "rayClusterStatus": _cluster_status(cluster),
        "jobDeploymentStatus": "Running",
    }
    times = {"startTime": info.start_time_ms, "endTime": info.end_time_ms}
    known = {name: clock.from_unix(value / 1000) for name, value in times.items() if value}
    after["rayJobInfo"] = {**(status.get("rayJobInfo") or {}), **known}
    if info.status in TERMINAL_JOB_STATUSES and submitter_done:
        after["jobDeploymentStatus"] = "Complete"
        if info.status == "FAILED":
            after |= {"jobDeploymentStatus": "Failed", "reason": "AppFailed"}
    return after


def finished(old: Json, new: Json, now: datetime) -> Json:
    """`new` with its end time and counts, if it is the first final status."""
    final = {"Complete", "Failed"}
    if new["jobDeploymentStatus"] not in final or old.get("jobDeploymentStatus") in final:
        return new
    failed = new["jobDeploymentStatus"] == "Failed"
    succeeded = new["jobDeploymentStatus"] == "Complete" and new.get("jobStatus") == "SUCCEEDED"
    return {
        **new,
        "endTime": clock.rfc3339(now),
        "failed": new.get("failed", 0) + int(failed),
        "succeeded": new.get("succeeded", 0) + int(succeeded),
    }


def worth_writing(old: Json, new: Json) -> bool:
    """Whether KubeRay would write: message and rayJobInfo alone do not make it."""
    watched = ("jobStatus", "jobDeploymentStatus", "jobStatusCheckFailureStartTime")
    if any(old.get(field) != new.get(field) for field in watched):
        return True
    ignored = {"lastUpdateTime", "observedGeneration", "stateTransitionTimes"}

    def essence(status: Json) -> Json:
        cluster = status.get("rayClusterStatus") or {}
        return {key: value for key, value in cluster.items() if key not in ignored}

    return essence(old) != essence(new)
