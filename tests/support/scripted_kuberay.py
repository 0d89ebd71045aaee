"""KubeRay and a trainer as a script: the test says what they report and when. For the operator's tests alone."""

from __future__ import annotations

from tests.support.kube import Kube

from mnist_kube.objects import Object
from mnist_kube.resources import RAYCLUSTERS, RAYJOBS, TRAININGS
from mnist_kube.times import timestamp
from mnist_local.kuberay import typed


class ScriptedKubeRay:
    """Writes the statuses that KubeRay and the trainer would write."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube = kube
        self.clusters = RAYCLUSTERS.path(namespace)
        self.jobs = RAYJOBS.path(namespace)
        self.trainings = TRAININGS.path(namespace)

    def cluster_ready(self, name: str, head: str = "head-1", workers: int = 2, **resources: str) -> Object:
        """A RayCluster is ready; `resources` (desiredCPU, desiredGPU) is what it offers, told in the same write."""
        status = {
            "state": "ready",
            "conditions": [
                {
                    "type": "HeadPodReady",
                    "status": "True",
                    "reason": "HeadPodRunningAndReady",
                    "message": "",
                    "lastTransitionTime": timestamp(),
                }
            ],
            "head": {"podName": f"{name}-{head}", "serviceName": f"{name}-head-svc"},
            "readyWorkerReplicas": workers,
            "availableWorkerReplicas": workers,
            "desiredWorkerReplicas": workers,
            **resources,
        }
        return self._kube.merge(f"{self.clusters}/{name}/status", {"status": status})

    def job(self, name: str, deployment: str, status: str, **fields: object) -> None:
        """A RayJob reports."""
        body = {"jobDeploymentStatus": deployment, "jobStatus": status, "jobId": f"{name}-abcde", **fields}
        self._kube.merge(f"{self.jobs}/{name}/status", {"status": body})

    def notices_job(self, name: str) -> None:
        """KubeRay writes a RayJob back as its types have it, as when it adds its finalizer (which is left out here)."""
        path = f"{self.jobs}/{name}"
        self._kube.request("PUT", path, typed.updated(self._kube.request("GET", path)))

    def job_runs(self, name: str) -> None:
        """The entrypoint runs."""
        self.notices_job(name)
        self.job(name, "Running", "RUNNING", rayJobInfo={"startTime": timestamp()})

    def job_ends(self, name: str, *, well: bool, message: str = "") -> None:
        """The entrypoint ended."""
        if well:
            self.job(name, "Complete", "SUCCEEDED", endTime=timestamp())
        else:
            self.job(name, "Failed", "FAILED", reason="AppFailed", message=message, endTime=timestamp())

    def report(self, training: str, **fields: object) -> Object:
        """The trainer reports, as it does: by JSON patch on the status."""
        value = {"attempt": 1, "runId": "run-1", "updatedAt": timestamp(), **fields}
        return self._kube.json_patch(
            f"{self.trainings}/{training}/status", [{"op": "add", "path": "/status/training", "value": value}]
        )

    def seal(self, training: str, accuracy: float = 0.9912, **fields: object) -> None:
        """The trainer sealed a model."""
        result = {
            "model": "s3://models/m.safetensors",
            "sha256": "a" * 64,
            "accuracy": accuracy,
            "trainSeconds": 12.5,
        }
        self.report(training, state="Succeeded", progressPercent=100, accuracy=accuracy, result=result, **fields)
