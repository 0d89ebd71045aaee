"""The RayJob of one attempt."""

from __future__ import annotations

import shlex

from mnist_operator.api.spec import SubmissionMode
from mnist_operator.builders.context import Installation, Manifest, Training
from mnist_operator.builders.metadata import LABEL_ATTEMPT, child, job_name, sealed, storage_secret_name
from mnist_operator.builders.pods import submitter_template

API_VERSION = "ray.io/v1"
KIND = "RayJob"
LABEL_CLUSTER = "ray.io/cluster"
_SUBMISSION_MODES = {SubmissionMode.K8S_JOB: "K8sJobMode", SubmissionMode.HTTP: "HTTPMode"}


def entrypoint(training: Training, attempt: int) -> list[str]:
    """Return the trainer's command line. It carries no credentials: those are in the pods' environment."""
    spec = training.spec
    flags: dict[str, object] = {
        "--name": training.name,
        "--model": spec.training.model.value,
        "--epochs": spec.training.epochs,
        "--batch-size": spec.training.batch_size,
        "--learning-rate": spec.training.learning_rate,
        "--seed": spec.training.seed,
        "--precision": spec.training.precision.value,
        "--target-accuracy": spec.training.target_accuracy,
        "--workers": spec.workers.replicas,
        "--min-workers": spec.workers.min_replicas,
        "--max-workers": spec.workers.max_replicas,
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


def ray_job(training: Training, attempt: int, cluster: str, installation: Installation) -> Manifest:
    """Return the RayJob of `attempt` on the RayCluster `cluster`.

    Deadlines, retries and cleaning up are the operator's: KubeRay refuses most of them beside a clusterSelector.
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
    return sealed(job)
