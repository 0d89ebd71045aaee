"""The batch Jobs that RayJobs own (their submitters), run as the cluster's Job controller would: one pod at a time.

`step` says what comes next, without any I/O; the controller does it.
"""

from dataclasses import dataclass
from datetime import datetime

from mnist_kube.client import KubeApi
from mnist_kube.events import EventRecorder
from mnist_kube.objects import (
    TRUE,
    Key,
    Object,
    controller_uid,
    is_terminating,
    key_of,
    labels_of,
    owner_reference,
    with_condition,
)
from mnist_kube.pacing import backoff
from mnist_kube.times import now, parse, timestamp
from mnist_local.kuberay import names as k
from mnist_local.kuberay import pod_state
from mnist_local.kuberay.controller import Controller, Stores
from mnist_local.kuberay.rayjob_status import SubmitterOutcome

_CONFLICT_RETRY_S = 0.05

_FIRST_BACKOFF_S = 10.0
_LAST_BACKOFF_S = 360.0


@dataclass(frozen=True)
class Step:
    """The Job's next status, whether to make a pod now, and when to look again."""

    status: Object
    create_pod: bool = False
    again_after_s: float | None = None


def _end(job: Object) -> Object | None:
    conditions = (job.get("status") or {}).get("conditions") or []
    return next((c for c in conditions if c["type"] in {"Complete", "Failed"} and c["status"] == TRUE), None)


def is_finished(job: Object) -> bool:
    """Whether the Job has its final condition."""
    return _end(job) is not None


def outcome(job: Object) -> SubmitterOutcome | None:
    """Return how and when the Job ended, or None while it runs."""
    end = _end(job)
    if end is None:
        return None
    cause = (end.get("reason", ""), end.get("message", "")) if end["type"] == "Failed" else None
    return SubmitterOutcome(parse(end["lastTransitionTime"]), cause)


def step(job: Object, pods: list[Object], moment: datetime) -> Step:
    """`pods` are those that the Job controls."""
    at = timestamp(moment)
    status = {"startTime": at, **(job.get("status") or {})}
    active = [pod for pod in pods if pod_state.phase(pod) in {"Pending", "Running"} and not is_terminating(pod)]
    # A pod that is deleted under a running Job counts as failed, as it does in Kubernetes.
    failed = [pod for pod in pods if pod_state.phase(pod) == "Failed" or (is_terminating(pod) and pod not in active)]
    succeeded = [pod for pod in pods if pod_state.phase(pod) == "Succeeded" and pod not in failed]
    failures = max(len(failed), status.get("failed", 0))
    counts = {"active": len(active), "failed": failures, "succeeded": len(succeeded)}
    status |= {name: count for name, count in counts.items() if count or name in status}
    if succeeded:
        message = "Reached expected number of succeeded pods"
        status["conditions"] = with_condition([], "Complete", TRUE, "CompletionsReached", message, at)
        status["completionTime"] = at
    elif failures > job["spec"]["backoffLimit"]:
        message = "Job has reached the specified backoff limit"
        status["conditions"] = with_condition([], "Failed", TRUE, "BackoffLimitExceeded", message, at)
    elif not active:
        wait_s = backoff(failures - 1, _FIRST_BACKOFF_S, _LAST_BACKOFF_S) - _seconds_since_last_end(failed, moment)
        retry = bool(failures) and wait_s > 0
        return Step(status, create_pod=not retry, again_after_s=wait_s if retry else None)
    return Step(status)


def _seconds_since_last_end(failed: list[Object], moment: datetime) -> float:
    ends = [parse(terminated["finishedAt"]) for pod in failed if (terminated := pod_state.terminated(pod)) is not None]
    return (moment - max(ends)).total_seconds() if ends else _LAST_BACKOFF_S


def new_pod(job: Object) -> Object:
    """The next pod of the Job."""
    template, metadata = job["spec"]["template"], job["metadata"]
    given = template.get("metadata") or {}
    prefix = f"{metadata['name']}-"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": prefix + k.suffix(),
            "generateName": prefix,
            "namespace": metadata["namespace"],
            "labels": dict(given.get("labels") or {}),
            "annotations": dict(given.get("annotations") or {}),
            "ownerReferences": [owner_reference(job)],
        },
        "spec": {**template["spec"]},
    }


class JobController(Controller):
    """One pod at a time until one succeeds or the backoff limit is reached."""

    kind = "Job"

    def __init__(self, api: KubeApi, stores: Stores, events: EventRecorder) -> None:
        super().__init__(api, stores, events)
        stores.jobs.on_change(lambda job, _: self.queue.add(key_of(job)))
        stores.pods.on_change(self._on_pod)

    def _on_pod(self, pod: Object, _: bool) -> None:
        for reference in pod["metadata"].get("ownerReferences") or []:
            if reference["kind"] == "Job":
                self.queue.add((pod["metadata"]["namespace"], reference["name"]))

    async def _reconcile(self, key: Key) -> float | None:
        job = self._stores.jobs.get(key)
        if job is None or labels_of(job).get(k.ORIGIN_KIND_LABEL) != "RayJob":
            return None
        if is_terminating(job) or is_finished(job):
            return None
        owned = [pod for pod in self._stores.pods.values() if controller_uid(pod) == job["metadata"]["uid"]]
        todo = step(job, owned, now())
        if todo.create_pod:
            pod = await self._create_pod(new_pod(job))
            await self._events.record(job, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
            return 0.0
        if todo.status != (job.get("status") or {}):
            if not await self._write_status(self._stores.jobs, job, todo.status):
                return _CONFLICT_RETRY_S
            if end := _end({"status": todo.status}):
                kind = "Warning" if end["type"] == "Failed" else "Normal"
                await self._events.record(job, kind, end["reason"], end["message"])
        return todo.again_after_s
