"""The RayJob of one attempt."""

from __future__ import annotations

import shlex

from mnist_operator.api.spec import SubmissionMode
from mnist_operator.builders.context import Installation, Manifest, Training
from mnist_operator.builders.metadata import (
    ANNOTATION_CREDENTIALS,
    ANNOTATION_WORKERS,
    LABEL_ATTEMPT,
    child,
    job_name,
    sealed,
    storage_secret_name,
)
from mnist_operator.builders.pods import submitter_template

API_VERSION = "ray.io/v1"
KIND = "RayJob"
LABEL_CLUSTER = "ray.io/cluster"
_SUBMISSION_MODES = {SubmissionMode.K8S_JOB: "K8sJobMode", SubmissionMode.HTTP: "HTTPMode"}


def entrypoint(training: Training, attempt: int) -> list[str]:
    """Return the trainer's command line. It carries no credentials: those are in the pods' environment."""
    spec = training.spec
    workers = spec.workers
    flags: dict[str, object] = {
        "--name": training.name,
        "--model": spec.training.model.value,
        "--epochs": spec.training.epochs,
        "--batch-size": spec.training.batch_size,
        "--learning-rate": spec.training.learning_rate,
        "--seed": spec.training.seed,
        "--precision": spec.training.precision.value,
        "--target-accuracy": spec.training.target_accuracy,
        "--workers": workers.total,
        "--min-workers": workers.least if workers.least < workers.total else None,
        "--max-workers": workers.most if workers.most > workers.total else None,
        "--gpus-per-worker": spec.workers.gpus_per_worker,
        "--dataset": spec.storage.dataset,
        "--output": training.run_prefix,
        "--training-namespace": training.namespace,
        "--training-name": training.name,
        "--training-uid": training.uid,
        "--attempt": attempt,
        "--storage-secret": storage_secret_name(training),
    }
    words = ["mnist-trainer", "train"]
    for flag, value in flags.items():
        if value is not None:
            words += [flag, str(value)]
    return words


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
        ANNOTATION_WORKERS: f"{workers.least}-{workers.most}",
        ANNOTATION_CREDENTIALS: credentials,
    }
    return job
