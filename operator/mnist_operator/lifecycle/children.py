"""Views of KubeRay's objects: only what the lifecycle needs of them, unknown values taken as unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_kube.objects import controller_uid
from mnist_kube.quantity import parse_quantity
from mnist_operator.builders.metadata import (
    ANNOTATION_CREDENTIALS,
    ANNOTATION_HASH,
    ANNOTATION_WORKERS,
    LABEL_ATTEMPT,
    LABEL_QUEUE,
)

_GENERATED = re.compile(r"(-(?:head|worker)-)[a-z0-9]{5}\b")
# Reasons of HeadPodReady while all is well so far; others name what keeps the head from starting.
_STILL_STARTING = frozenset(
    {
        "",
        "Unknown",
        "HeadPodNotFound",
        "ContainerCreating",
        "PodInitializing",
        "ContainersNotReady",
        "HeadPodRunningAndReady",
    }
)


@dataclass(frozen=True)
class ClusterView:
    """A RayCluster."""

    name: str
    uid: str
    owner_uid: str | None
    deleting: bool
    suspended: bool
    reported: bool
    """Whether KubeRay has written any status; it writes none for a cluster that it refuses."""
    head_ready: bool
    head_problem: str
    state: str
    head_pod: str | None
    head_service: str | None
    ready_workers: int
    wanted_workers: int
    replica_failure: str | None
    created: str | None
    ray_version: str = ""
    queue: str | None = None
    """Kueue's queue that admits it, if any."""
    wish: str = ""
    """Hash of what it was made from, all but the numbers of workers."""
    dashboard_port: str | None = None
    """Port of the dashboard as KubeRay gives it: a node's port where the head's Service has one."""
    cpus: float | None = None
    gpus: float | None = None
    """What all its pods offer to Ray, where KubeRay says so."""
    autoscaled: bool = False

    @property
    def usable(self) -> bool:
        """Whether a job may be started on it.

        `state` alone stays `ready` when a head is lost; HeadPodReady alone is true before the workers are there.
        """
        return not self.deleting and not self.suspended and self.head_ready and self.state == "ready"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> ClusterView:
        """Read a RayCluster as the API returns it."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        conditions = {item.get("type"): item for item in status.get("conditions") or []}
        head_condition = conditions.get("HeadPodReady", {})
        failure = conditions.get("ReplicaFailure", {})
        head = status.get("head") or {}
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            owner_uid=controller_uid(obj),
            deleting=bool(metadata.get("deletionTimestamp")),
            suspended=bool((obj.get("spec") or {}).get("suspend")) or status.get("state") == "suspended",
            reported=bool(conditions or status.get("state") or head),
            # KubeRay before 1.3 had no conditions; `ready` is then all there is.
            head_ready=head_condition.get("status", "True" if status.get("state") == "ready" else "False") == "True",
            head_problem="" if head_condition.get("reason") in _STILL_STARTING else _sentence(head_condition),
            state=status.get("state") or "",
            head_pod=head.get("podName"),
            head_service=head.get("serviceName"),
            ready_workers=int(status.get("readyWorkerReplicas") or 0),
            wanted_workers=int(status.get("desiredWorkerReplicas") or 0),
            replica_failure=_sentence(failure) if failure.get("status") == "True" else None,
            created=metadata.get("creationTimestamp"),
            ray_version=(obj.get("spec") or {}).get("rayVersion") or "",
            queue=(metadata.get("labels") or {}).get(LABEL_QUEUE),
            wish=(metadata.get("annotations") or {}).get(ANNOTATION_HASH, ""),
            dashboard_port=(status.get("endpoints") or {}).get("dashboard"),
            cpus=_amount(status.get("desiredCPU")),
            gpus=_amount(status.get("desiredGPU")),
            autoscaled=bool((obj.get("spec") or {}).get("enableInTreeAutoscaling")),
        )


@dataclass(frozen=True)
class JobView:
    """A RayJob."""

    name: str
    uid: str
    owner_uid: str | None
    attempt: int
    deleting: bool
    deployment_status: str
    job_status: str
    job_id: str | None
    reason: str
    message: str
    ray_start_time: str | None
    dashboard: str | None
    created: str | None
    ended: str | None
    workers: tuple[int, int] | None = None
    """Fewest and most workers that its trainer was told to train with."""
    credentials: str = ""
    """Version of the user's Secret when it was made."""

    @property
    def succeeded(self) -> bool:
        """Whether the entrypoint ended with 0."""
        return self.job_status == "SUCCEEDED"

    @property
    def entrypoint_ended(self) -> bool:
        """Whether the trainer's process is proven to be over."""
        if self.deployment_status == "Complete":
            return True
        # AppFailed alone is no proof: KubeRay also says it when the job is not found on a new head.
        return self.deployment_status == "Failed" and self.reason == "AppFailed" and self.job_status == "FAILED"

    @property
    def never_ran(self) -> bool:
        """Whether KubeRay refused the RayJob itself, before it gave the job an id.

        One that was changed into something invalid while it ran is called ValidationFailed, too; its job trains on.
        """
        refused = self.deployment_status == "ValidationFailed" or self.reason == "ValidationFailed"
        return refused and not self.job_id

    @property
    def finished(self) -> bool:
        """Whether KubeRay will do nothing more about it."""
        return self.deployment_status in {"Complete", "Failed", "ValidationFailed"}

    @property
    def closing(self) -> bool:
        """Whether the entrypoint ended and KubeRay has not said how yet."""
        return not self.finished and self.job_status in {"SUCCEEDED", "FAILED", "STOPPED"}

    @property
    def running(self) -> bool:
        """Whether the entrypoint runs, as far as KubeRay knows."""
        return self.deployment_status == "Running" and self.job_status == "RUNNING"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> JobView:
        """Read a RayJob as the API returns it."""
        metadata, status = obj["metadata"], obj.get("status") or {}
        label = (metadata.get("labels") or {}).get(LABEL_ATTEMPT, "0")
        return cls(
            name=metadata["name"],
            uid=metadata.get("uid", ""),
            owner_uid=controller_uid(obj),
            attempt=int(label) if label.isdigit() else 0,
            deleting=bool(metadata.get("deletionTimestamp")),
            deployment_status=status.get("jobDeploymentStatus") or "",
            job_status=status.get("jobStatus") or "",
            job_id=status.get("jobId"),
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            ray_start_time=(status.get("rayJobInfo") or {}).get("startTime"),
            dashboard=status.get("dashboardURL"),
            created=metadata.get("creationTimestamp"),
            ended=status.get("endTime"),
            workers=_range((metadata.get("annotations") or {}).get(ANNOTATION_WORKERS, "")),
            credentials=(metadata.get("annotations") or {}).get(ANNOTATION_CREDENTIALS, ""),
        )


def _amount(quantity: Any) -> float | None:
    try:
        return None if quantity is None else float(parse_quantity(quantity))
    except ValueError:
        return None


def _range(text: str) -> tuple[int, int] | None:
    least, _, most = text.partition("-")
    return (int(least), int(most)) if least.isdigit() and most.isdigit() else None


def _sentence(condition: Mapping[str, Any]) -> str:
    return stable(str(condition.get("message") or condition.get("reason") or "")).rstrip(":; ")


def stable(text: str) -> str:
    """Return a message on one line and without generated pod names, so that a retry does not make another of it."""
    return _GENERATED.sub(r"\1…", " ".join(text.split()))
