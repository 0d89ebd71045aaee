"""The state machine of a RayJob with clusterSelector: each function maps what is known to the next status.

Initializing until the cluster is ready, then Running while Ray is asked for the job, then Complete or Failed. Every
transition that was recorded on a real cluster is reproduced.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mnist_kube.objects import Object
from mnist_kube.times import from_unix, parse, timestamp
from mnist_local.kuberay import names as k
from mnist_local.kuberay.dashboard import JobInfo

TERMINAL_JOB_STATUSES = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_MAX_MESSAGE = 32768
_NO_CLUSTER_STATUS = {**dict.fromkeys(("desiredCPU", "desiredMemory", "desiredGPU", "desiredTPU"), "0"), "head": {}}
"""How Go writes an empty RayClusterStatus."""


@dataclass(frozen=True)
class Limits:
    """KubeRay's time limits, in seconds."""

    status_check_timeout_s: float = 300.0
    submitter_finished_s: float = 30.0


@dataclass(frozen=True)
class SubmitterOutcome:
    """The end of a submitter's batch Job; `failure` is (reason, message) of its Failed condition."""

    finished_at: datetime
    failure: tuple[str, str] | None = None


def new_status(job: Object, now: datetime) -> Object:
    """Status of a RayJob seen for the first time: Initializing, with its job id and cluster."""
    job_id = job["spec"].get("jobId") or f"{job['metadata']['name']}-{k.suffix()}"
    return {
        "jobId": job_id,
        "rayClusterName": job["spec"]["clusterSelector"][k.CLUSTER_LABEL],
        "jobDeploymentStatus": "Initializing",
        "startTime": timestamp(now),
        "rayJobInfo": {},
        "rayClusterStatus": dict(_NO_CLUSTER_STATUS),
        "succeeded": 0,
        "failed": 0,
    }


def refused(status: Object, message: str) -> Object:
    """Status of a RayJob that KubeRay does not act on; it never leaves it."""
    return {**status, "jobDeploymentStatus": "ValidationFailed", "reason": "ValidationFailed", "message": message}


def waiting_for_cluster(status: Object, cluster: Object) -> Object:
    """Still Initializing; the cluster's status is shown."""
    return {**status, "rayClusterStatus": _cluster_status(cluster)}


def _cluster_status(cluster: Object) -> Object:
    return {**_NO_CLUSTER_STATUS, **(cluster.get("status") or {})}


def running(status: Object, dashboard_url: str) -> Object:
    """The cluster is ready; the job is being submitted."""
    return {**status, "dashboardURL": dashboard_url, "jobDeploymentStatus": "Running"}


def _failed(status: Object, reason: str, message: str) -> Object:
    return {**status, "jobDeploymentStatus": "Failed", "reason": reason, "message": message}


def past_grace(status: Object, limits: Limits, now: datetime) -> Object | None:
    """The final status of a RayJob whose dashboard has been unreachable for too long."""
    since = status.get("jobStatusCheckFailureStartTime")
    if since is None or (now - parse(since)).total_seconds() < limits.status_check_timeout_s:
        return None
    timeout = int(limits.status_check_timeout_s)
    message = f"Job status checks have been failing since {since}; exceeded timeout of {timeout}s"
    return _failed(status, "JobStatusCheckTimeoutExceeded", message)


def after_submitter(status: Object, outcome: SubmitterOutcome | None, limits: Limits, now: datetime) -> Object | None:
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


def unreachable(status: Object, cause: str, cluster: Object, now: datetime) -> Object:
    """The dashboard did not answer: not a failure, until it lasts too long. jobStatus is as behind a proxy."""
    after = {**status, "jobStatus": "Failure", "message": cause, "rayClusterStatus": _cluster_status(cluster)}
    after.setdefault("jobStatusCheckFailureStartTime", timestamp(now))
    return after


def not_found(status: Object, outcome: SubmitterOutcome | None) -> Object | None:
    """Ray knows no such job: final once the submitter has finished, else None (it is yet to be submitted)."""
    if outcome is None:
        return None
    return _failed(status, "AppFailed", "Submitter completed but Ray job not found in RayCluster.")


def observed(status: Object, info: JobInfo, cluster: Object, submitter_done: bool) -> Object:
    """Status after Ray told of the job. A terminal job ends the RayJob once its submitter is done too."""
    after = {key: value for key, value in status.items() if key not in {"reason", "jobStatusCheckFailureStartTime"}}
    after |= {
        "jobStatus": info.status,
        "message": info.message[:_MAX_MESSAGE],
        "rayClusterStatus": _cluster_status(cluster),
        "jobDeploymentStatus": "Running",
    }
    times = {"startTime": info.start_time_ms, "endTime": info.end_time_ms}
    known = {name: from_unix(value / 1000) for name, value in times.items() if value}
    after["rayJobInfo"] = {**(status.get("rayJobInfo") or {}), **known}
    if info.status in TERMINAL_JOB_STATUSES and submitter_done:
        after["jobDeploymentStatus"] = "Complete"
        if info.status == "FAILED":
            after |= {"jobDeploymentStatus": "Failed", "reason": "AppFailed"}
    return after


def finished(old: Object, new: Object, now: datetime) -> Object:
    """`new` with its end time and counts, if it is the first final status."""
    final = {"Complete", "Failed"}
    if new["jobDeploymentStatus"] not in final or old.get("jobDeploymentStatus") in final:
        return new
    failed = new["jobDeploymentStatus"] == "Failed"
    succeeded = new["jobDeploymentStatus"] == "Complete" and new.get("jobStatus") == "SUCCEEDED"
    return {
        **new,
        "endTime": timestamp(now),
        "failed": new.get("failed", 0) + int(failed),
        "succeeded": new.get("succeeded", 0) + int(succeeded),
    }


def worth_writing(old: Object, new: Object) -> bool:
    """Whether KubeRay would write: message and rayJobInfo alone do not make it."""
    watched = ("jobStatus", "jobDeploymentStatus", "jobStatusCheckFailureStartTime")
    if any(old.get(field) != new.get(field) for field in watched):
        return True
    ignored = {"lastUpdateTime", "observedGeneration", "stateTransitionTimes"}

    def essence(status: Object) -> Object:
        cluster = status.get("rayClusterStatus") or {}
        return {key: value for key, value in cluster.items() if key not in ignored}

    return essence(old) != essence(new)
