"""Runs the batch Jobs that RayJobs own, as the cluster's Job controller would."""

from mnist_local.kuberay import batch_job, clock
from mnist_local.kuberay import constants as k
from mnist_local.kuberay.events import EventRecorder
from mnist_local.kuberay.json_types import Json, Key, controller_uid, is_terminating, key_of, labels_of
from mnist_local.kuberay.kubeapi import JOBS, ApiError, KubeApi, is_conflict
from mnist_local.kuberay.pod_factory import PodFactory
from mnist_local.kuberay.stores import Stores
from mnist_local.kuberay.workqueue import WorkQueue

_RETRY_S = 1.0


class BatchController:
    """One pod at a time until one succeeds or the backoff limit is reached."""

    def __init__(self, api: KubeApi, stores: Stores, factory: PodFactory, events: EventRecorder) -> None:
        """Subscribes to the stores; `queue.run` does the work."""
        self._api = api
        self._stores = stores
        self._factory = factory
        self._events = events
        self.queue = WorkQueue("Job", self._reconcile)
        stores.jobs.subscribe(lambda job, _: self.queue.add(key_of(job)))
        stores.pods.subscribe(self._on_pod)

    def _on_pod(self, pod: Json, _: bool) -> None:
        for reference in pod["metadata"].get("ownerReferences") or []:
            if reference["kind"] == "Job":
                self.queue.add((pod["metadata"]["namespace"], reference["name"]))

    async def _reconcile(self, key: Key) -> float | None:
        job = self._stores.jobs.get(*key)
        if job is None or is_terminating(job) or batch_job.is_finished(job):
            return None
        if labels_of(job).get(k.ORIGIN_KIND_LABEL) != "RayJob":
            return None
        owned = [pod for pod in self._stores.pods.values() if controller_uid(pod) == job["metadata"]["uid"]]
        step = batch_job.step(job, owned, clock.now())
        if step.create_pod:
            try:
                pod = await self._factory.create(batch_job.new_pod(job))
            except ApiError as error:
                note = f"Error creating: {error}"
                await self._events.record(job, "Warning", "FailedCreate", note)
                return _RETRY_S
            note = f"Created pod: {pod['metadata']['name']}"
            await self._events.record(job, "Normal", "SuccessfulCreate", note)
            self.queue.add(key)
            return None
        if step.status != (job.get("status") or {}):
            await self._write(job, step.status)
        return step.again_after_s

    async def _write(self, job: Json, status: Json) -> None:
        try:
            self._stores.jobs.observe(await self._api.replace_status(JOBS, {**job, "status": status}))
        except ApiError as error:
            if error.status != 404 and not is_conflict(error):
                raise
            self.queue.add_after(key_of(job), 0.05)
            return
        for condition in status.get("conditions") or []:
            if condition["type"] == "Failed":
                await self._events.record(job, "Warning", condition["reason"], condition["message"])
            elif condition["type"] == "Complete":
                await self._events.record(job, "Normal", "Completed", "Job completed")
