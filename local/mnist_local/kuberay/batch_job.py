"""What the Job controller does next with a Job of one pod at a time (a submitter)."""

from dataclasses import dataclass
from datetime import datetime

from mnist_local.kuberay import clock, names, pod_state
from mnist_local.kuberay.conditions import TRUE, is_true, put
from mnist_local.kuberay.json_types import Json, is_terminating
from mnist_local.kuberay.objects import owner_reference
from mnist_local.kuberay.rayjob_status import SubmitterOutcome

_FIRST_BACKOFF_S = 10.0
_LAST_BACKOFF_S = 360.0
_DEFAULT_BACKOFF_LIMIT = 6


@dataclass(frozen=True)
class Step:
    """The Job's next status, whether to make a pod now, and when to look again."""

    status: Json
    create_pod: bool = False
    again_after_s: float | None = None


def is_finished(job: Json) -> bool:
    """Whether the Job has its final condition."""
    conditions = (job.get("status") or {}).get("conditions") or []
    return is_true(conditions, "Complete") or is_true(conditions, "Failed")


def outcome(job: Json) -> SubmitterOutcome | None:
    """How and when the Job ended, or None while it runs."""
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition["type"] in {"Complete", "Failed"} and condition["status"] == TRUE:
            failed = condition["type"] == "Failed"
            cause = (condition.get("reason", ""), condition.get("message", "")) if failed else None
            return SubmitterOutcome(clock.parse(condition["lastTransitionTime"]), cause)
    return None


def step(job: Json, pods: list[Json], now: datetime) -> Step:
    """`pods` are those that the Job controls."""
    at = clock.rfc3339(now)
    status = {**(job.get("status") or {})}
    status.setdefault("startTime", at)
    active = [pod for pod in pods if pod_state.phase(pod) in {"Pending", "Running"} and not is_terminating(pod)]
    # A pod that is deleted under a running Job counts as failed, as it does in Kubernetes.
    failed = [p for p in pods if pod_state.phase(p) == "Failed" or (is_terminating(p) and p not in active)]
    succeeded = [pod for pod in pods if pod_state.phase(pod) == "Succeeded" and pod not in failed]
    failures = max(len(failed), status.get("failed", 0))
    status |= {
        "active": len(active),
        "ready": sum(pod_state.is_running_and_ready(pod) for pod in active),
        "failed": failures,
        "succeeded": len(succeeded),
    }
    conditions = status.get("conditions") or []
    limit = job["spec"].get("backoffLimit")
    if succeeded:
        conditions = put(conditions, "SuccessCriteriaMet", TRUE, "CompletionsReached", "", at)
        message = "Reached expected number of succeeded pods"
        status["conditions"] = put(conditions, "Complete", TRUE, "CompletionsReached", message, at)
        status["completionTime"] = at
    elif failures > (_DEFAULT_BACKOFF_LIMIT if limit is None else limit):
        message = "Job has reached the specified backoff limit"
        status["conditions"] = put(conditions, "Failed", TRUE, "BackoffLimitExceeded", message, at)
    elif not active:
        wait_s = _backoff(failures) - _seconds_since_last_end(failed, now)
        if failures and wait_s > 0:
            return Step(_clean(status), again_after_s=wait_s)
        return Step(_clean(status), create_pod=True)
    return Step(_clean(status))


def _clean(status: Json) -> Json:
    return {key: value for key, value in status.items() if value not in (0, [])}


def _backoff(failures: int) -> float:
    return min(_FIRST_BACKOFF_S * 2.0 ** max(failures - 1, 0), _LAST_BACKOFF_S)


def _seconds_since_last_end(failed: list[Json], now: datetime) -> float:
    ends = [
        clock.parse(terminated["finishedAt"])
        for pod in failed
        if (terminated := pod_state.ray_container_terminated(pod)) is not None
    ]
    return (now - max(ends)).total_seconds() if ends else _LAST_BACKOFF_S


def new_pod(job: Json) -> Json:
    """The next pod of the Job."""
    template, metadata = job["spec"]["template"], job["metadata"]
    given = template.get("metadata") or {}
    prefix = f"{metadata['name']}-"
    labels = {
        **(given.get("labels") or {}),
        "batch.kubernetes.io/controller-uid": metadata["uid"],
        "batch.kubernetes.io/job-name": metadata["name"],
        "controller-uid": metadata["uid"],
        "job-name": metadata["name"],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": prefix + names.suffix(),
            "generateName": prefix,
            "namespace": metadata["namespace"],
            "labels": labels,
            "annotations": dict(given.get("annotations") or {}),
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {**template["spec"]},
    }
