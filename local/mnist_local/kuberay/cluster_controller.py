"""Reconciles RayClusters: token Secret, head Service, pods, status."""

import logging

from mnist_local.kuberay import clock, cluster_plan, cluster_status, names, objects, pods, validation
from mnist_local.kuberay import constants as k
from mnist_local.kuberay.cluster_plan import Creation
from mnist_local.kuberay.cluster_status import ReconcileError
from mnist_local.kuberay.events import EventRecorder
from mnist_local.kuberay.failing import Failing, replica_of
from mnist_local.kuberay.json_types import Json, Key, is_terminating, key_of, labels_of
from mnist_local.kuberay.kubeapi import PODS, RAYCLUSTERS, SECRETS, SERVICES, ApiError, KubeApi, is_conflict
from mnist_local.kuberay.pod_factory import PodFactory
from mnist_local.kuberay.stores import Stores
from mnist_local.kuberay.workqueue import WorkQueue

_RETRY_S = 0.5
_RESYNC_S = 60.0

log = logging.getLogger(__name__)


class ClusterController:
    """Brings each RayCluster's pods and status to what its spec asks for."""

    def __init__(self, api: KubeApi, stores: Stores, factory: PodFactory, events: EventRecorder) -> None:
        """Subscribes to the stores; `queue.run` does the work."""
        self._api = api
        self._stores = stores
        self._factory = factory
        self._events = events
        self._failing: dict[str, Failing] = {}
        self.queue = WorkQueue("RayCluster", self._reconcile)
        stores.clusters.subscribe(self._on_cluster)
        stores.pods.subscribe(self._on_pod)

    def _on_cluster(self, cluster: Json, deleted: bool) -> None:
        if deleted:
            self._failing.pop(cluster["metadata"]["uid"], None)
        self.queue.add(key_of(cluster))

    def _on_pod(self, pod: Json, _: bool) -> None:
        if name := labels_of(pod).get(k.CLUSTER_LABEL):
            self.queue.add((pod["metadata"]["namespace"], name))

    async def _reconcile(self, key: Key) -> float | None:
        cluster = self._stores.clusters.get(*key)
        if cluster is None or validation.is_foreign(cluster):
            return None
        try:
            validation.check_raycluster(cluster)
        except validation.RefusedError as refusal:
            await self._events.record(cluster, "Warning", refusal.event, str(refusal), "Validate")
            return None
        if is_terminating(cluster):
            return None
        error: ReconcileError | None = None
        service: Json | None = None
        try:
            await self._ensure_secret(cluster)
            service = await self._ensure_service(cluster)
            error = await self._reconcile_pods(cluster)
        except ApiError as refused:
            error = ReconcileError(str(refused))
        present, now = self._stores.cluster_pods(key), clock.now()
        failing = self._failing_of(cluster)
        trouble = failing.trouble(cluster, present, now)
        status = cluster_status.compute(cluster, present, service, error, clock.rfc3339(now), trouble)
        await self._write_status(cluster, status)
        if error is not None:
            log.info("RayCluster %s/%s: %s", *key, error.message)
            return _RETRY_S
        held_back = self._plan(cluster).creations
        return min([_RESYNC_S, *(failing.remaining_s(creation.replica) for creation in held_back)])

    def _failing_of(self, cluster: Json) -> Failing:
        return self._failing.setdefault(cluster["metadata"]["uid"], Failing())

    def _plan(self, cluster: Json) -> cluster_plan.Plan:
        return cluster_plan.plan(cluster, self._stores.cluster_pods(key_of(cluster)))

    async def _write_status(self, cluster: Json, status: Json) -> None:
        if not cluster_status.worth_writing(cluster.get("status") or {}, status):
            return
        try:
            self._stores.clusters.observe(await self._api.replace_status(RAYCLUSTERS, {**cluster, "status": status}))
        except ApiError as error:
            if error.status != 404 and not is_conflict(error):
                raise
            self.queue.add_after(key_of(cluster), 0.05)  # the watch brings the newer object in a moment

    async def _ensure_secret(self, cluster: Json) -> None:
        options = cluster["spec"].get("authOptions") or {}
        if options.get("mode") != "token" or options.get("secretName"):
            return
        name = names.auth_secret(cluster)
        if await self._api.find(SECRETS, cluster["metadata"]["namespace"], name) is None:
            await self._api.create(SECRETS, objects.auth_secret(cluster))

    async def _ensure_service(self, cluster: Json) -> Json:
        namespace, name = cluster["metadata"]["namespace"], names.head_service(cluster)
        if existing := await self._api.find(SERVICES, namespace, name):
            return existing
        try:
            service = await self._api.create(SERVICES, objects.head_service(cluster))
        except ApiError as error:
            note = f"Failed creating service {namespace}/{name}, {error}"
            await self._events.record(cluster, "Warning", "FailedToCreateService", note, "Create")
            raise
        note = f"Created service {namespace}/{name}"
        await self._events.record(cluster, "Normal", "CreatedService", note, "Create")
        return service

    async def _reconcile_pods(self, cluster: Json) -> ReconcileError | None:
        plan, failing = self._plan(cluster), self._failing_of(cluster)
        for deletion in plan.deletions:
            if deletion.is_failure:
                await self._note_failure(cluster, deletion.pod)
            await self._api.delete(PODS, deletion.pod)
            await self._events.record(cluster, "Normal", deletion.event, deletion.note, "Delete")
        for creation in plan.creations:
            if not failing.remaining_s(creation.replica) and (failure := await self._create(cluster, creation)):
                return failure
        return plan.error

    async def _note_failure(self, cluster: Json, pod: Json) -> None:
        failing = self._failing_of(cluster)
        failing.failed(pod)
        if wait_s := failing.remaining_s(replica_of(pod)):
            trouble = failing.trouble(cluster, [], clock.now())
            note = f"{trouble.message}; next try in {wait_s:.0f} s" if trouble else ""
            await self._events.record(cluster, "Warning", "BackOff", note, "Create")

    async def _create(self, cluster: Json, creation: Creation) -> ReconcileError | None:
        if creation.group is None:
            pod, what, suffix = pods.head_pod(cluster), "head", "HeadPod"
        else:
            pod, what, suffix = pods.worker_pod(cluster, creation.group, creation.replica_index), "worker", "WorkerPod"
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        try:
            await self._factory.create(pod)
        except ApiError as error:
            note = f"Failed to create {what} Pod {name}, {error}"
            await self._events.record(cluster, "Warning", f"FailedToCreate{suffix}", note, "Create")
            return ReconcileError(f"FailedCreate{suffix}: {error}", f"FailedCreate{suffix}")
        await self._events.record(cluster, "Normal", f"Created{suffix}", f"Created {what} Pod {name}", "Create")
        return None
