"""KubeRay and the trainer played for many trainings at a time: every life goes from its RayCluster to Succeeded."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from tests.support.scripted_kuberay import ScriptedKubeRay

from benchmarks.scale.cluster import Scene
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_operator.children.training import LABEL_TRAINING

_THREADS = 32
_EPOCHS = 3
_EPOCH_SECONDS = 0.25


class Lives:
    """Answers each child as KubeRay would, as soon as it is seen: two statuses of a cluster, three of a job.

    The trainer reports after every epoch, each of a quarter of a second. `finished` has the
    trainings that reached Succeeded, with the time of it.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._kuberay = ScriptedKubeRay(scene.kube, scene.namespace)
        self._pool = ThreadPoolExecutor(_THREADS)
        self._lock = threading.Lock()
        self._begun: set[str] = set()
        self.finished: dict[str, float] = {}
        self.failed: list[str] = []
        self._watches = [
            scene.watch(self._kuberay.clusters, self._cluster),
            scene.watch(self._kuberay.jobs, self._job),
            scene.watch(scene.trainings, self._training),
        ]

    def stop(self) -> None:
        """End the watches and what is under way."""
        for watch in self._watches:
            watch.stop()
        self._pool.shutdown(cancel_futures=True)

    def _cluster(self, event: str, obj: Object) -> None:
        if event == "ADDED" and self._first(obj):
            self._pool.submit(self._raise_cluster, obj["metadata"]["name"])

    def _job(self, event: str, obj: Object) -> None:
        if event == "ADDED" and self._first(obj):
            self._pool.submit(self._run_job, obj["metadata"]["name"], obj["metadata"]["labels"][LABEL_TRAINING])

    def _training(self, _: str, obj: Object) -> None:
        phase = (obj.get("status") or {}).get("phase")
        if phase == "Succeeded":
            self.finished.setdefault(obj["metadata"]["name"], time.monotonic())
        elif phase == "Failed":
            self.failed.append(f"{obj['metadata']['name']}: {obj['status'].get('message')}")

    def _raise_cluster(self, name: str) -> None:
        starting = {"readyWorkerReplicas": 0, "availableWorkerReplicas": 0, "desiredWorkerReplicas": 2}
        self._scene.kube.merge(f"{self._kuberay.clusters}/{name}/status", {"status": starting})
        self._kuberay.cluster_ready(name)

    def _run_job(self, name: str, training: str) -> None:
        try:
            self._kuberay.job(name, "Initializing", "PENDING")
            self._kuberay.job_runs(name)
            for epoch in range(1, _EPOCHS + 1):
                share = 100 * epoch // _EPOCHS
                time.sleep(_EPOCH_SECONDS)
                self._kuberay.report(training, state="Training", epoch=epoch, epochs=_EPOCHS, progressPercent=share)
            time.sleep(_EPOCH_SECONDS)
            self._kuberay.seal(training)
            self._kuberay.job_ends(name, well=True)
        except ApiError as error:
            self.failed.append(f"{training}: {error}")

    def _first(self, obj: Object) -> bool:
        with self._lock:
            seen = obj["metadata"]["uid"] in self._begun
            self._begun.add(obj["metadata"]["uid"])
            return not seen
