"""The RayJob of an attempt: what is made, and what is read of KubeRay's status."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mnist_kube.objects import controller_uid
from mnist_operator.api.spec import MnistTrainingSpec, SubmissionMode
from mnist_operator.children.code import command_of, command_words, source_flags
from mnist_operator.children.pods import submitter_template
from mnist_operator.children.training import (
    ANNOTATION_CREDENTIALS,
    ANNOTATION_WORKERS,
    LABEL_ATTEMPT,
    Installation,
    Manifest,
    Training,
    child,
    job_name,
    sealed,
    storage_secret_name,
)

API_VERSION = "ray.io/v1"
KIND = "RayJob"
LABEL_CLUSTER = "ray.io/cluster"
_SUBMISSION_MODES = {SubmissionMode.K8S_JOB: "K8sJobMode", SubmissionMode.HTTP: "HTTPMode"}


def entrypoint(training: Training, attempt: int) -> list[str]:
    """Return the trainer's command line. It carries no credentials: those are in the pods' environment."""
    spec = training.spec
    workers = spec.workers
    command = command_of(training)
    flags: dict[str, object] = {
        "--name": training.name,
        **({} if command else _recipe_flags(spec)),
        "--workers": workers.total_replicas,
        "--min-workers": workers.total_min_replicas if workers.total_min_replicas < workers.total_replicas else None,
        "--max-workers": workers.total_max_replicas if workers.total_max_replicas > workers.total_replicas else None,
        "--gpus-per-worker": spec.workers.gpus_per_worker,
        "--dataset": spec.storage.dataset,
        "--output": training.run_prefix,
        "--training-namespace": training.namespace,
        "--training-name": training.name,
        "--training-uid": training.uid,
        "--attempt": attempt,
        "--storage-secret": storage_secret_name(training),
        **source_flags(spec.code),
    }
    words = ["mnist-trainer", "run" if command else "train"]
    for flag, value in flags.items():
        if value is not None:
            words += [flag, str(value)]
    return [*words, *command_words(command)] if command else words


def _recipe_flags(spec: MnistTrainingSpec) -> dict[str, object]:
    """Return the flags of our own recipe; a command of the user's replaces it."""
    return {
        "--model": spec.training.model.value,
        "--code-module": spec.code.module if spec.code is not None else None,
        "--epochs": spec.training.epochs,
        "--batch-size": spec.training.batch_size,
        "--learning-rate": spec.training.learning_rate,
        "--seed": spec.training.seed,
        "--precision": spec.training.precision.value,
        "--target-accuracy": spec.training.target_accuracy,
    }


def ray_job(
    training: Training, attempt: int, cluster: str, installation: Installation, credentials: str = ""
) -> Manifest:
    """Return the RayJob of `attempt` on the RayCluster `cluster`.

    Deadlines, retries and cleaning up are the operator's: KubeRay refuses most of them beside a clusterSelector. Its
    annotations keep what the trainer was started with and what may change under it: the range of its number of workers,
    and `credentials`, the version of the Secret that the user named.
    """
    mode = training.spec.submission.mode
    spec: Manifest = {
        "entrypoint": shlex.join(entrypoint(training, attempt)),
        "clusterSelector": {LABEL_CLUSTER: cluster},
        "submissionMode": _SUBMISSION_MODES[mode],
        "shutdownAfterJobFinishes": False,
    }
    if mode is SubmissionMode.K8S_JOB:
        spec["submitterPodTemplate"] = submitter_template(training, installation)
    job = child(
        training,
        api_version=API_VERSION,
        kind=KIND,
        name=job_name(training.name, attempt),
        component="job",
        spec=spec,
    )
    job["metadata"]["labels"][LABEL_ATTEMPT] = str(attempt)
    job = sealed(job)
    workers = training.spec.workers
    job["metadata"]["annotations"] |= {
        ANNOTATION_WORKERS: f"{workers.total_min_replicas}-{workers.total_max_replicas}",
        ANNOTATION_CREDENTIALS: credentials,
    }
    return job


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


def _range(text: str) -> tuple[int, int] | None:
    fewest, _, most = text.partition("-")
    return (int(fewest), int(most)) if fewest.isdigit() and most.isdigit() else None
