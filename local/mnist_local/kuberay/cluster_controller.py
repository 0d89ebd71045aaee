"""Reconciles RayClusters: token Secret, head Service, pods, status."""

import logging

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder
from mnist_kube.objects import Key, Object, is_terminating, key_of, labels_of
from mnist_kube.resources import PODS, SECRETS, SERVICES
from mnist_kube.times import now, timestamp
from mnist_local.kuberay import children, cluster_plan, cluster_status, pod_state, pods, validation
from mnist_local.kuberay import names as k
from mnist_local.kuberay.cluster_plan import Creation
from mnist_local.kuberay.cluster_status import ReconcileError
from mnist_local.kuberay.controller import Controller, Stores
from mnist_local.kuberay.failing import Failing, replica_of

_RETRY_S = 0.5
_CONFLICT_RETRY_S = 0.05
_RESYNC_S = 60.0

log = logging.getLogger(__name__)


class ClusterController(Controller):
    """Brings each RayCluster's pods and status to what its spec asks for."""

    kind = "RayCluster"

    def __init__(self, api: KubeApi, stores: Stores, events: EventRecorder) -> None:
        super().__init__(api, stores, events)
        self._failing: dict[str, Failing] = {}
        stores.clusters.on_change(self._on_cluster)
        stores.pods.on_change(self._on_pod)

    def _on_cluster(self, cluster: Object, deleted: bool) -> None:
        if deleted:
            self._failing.pop(cluster["metadata"]["uid"], None)
        self.queue.add(key_of(cluster))

    def _on_pod(self, pod: Object, _: bool) -> None:
        if name := labels_of(pod).get(k.CLUSTER_LABEL):
            self.queue.add((pod["metadata"]["namespace"], name))

    async def _reconcile(self, key: Key) -> float | None:
        cluster = self._stores.clusters.get(key)
        if cluster is None or is_terminating(cluster):
            return None
        try:
            validation.check_raycluster(cluster)
        except validation.RefusedError as refusal:
            await self._events.record(cluster, "Warning", refusal.event, str(refusal), "Validate")
            return None
        error: ReconcileError | None = None
        service: Object | None = None
        try:
            await self._ensure_secret(cluster)
            service = await self._ensure_service(cluster)
            error = await self._reconcile_pods(cluster)
        except ApiError as refused:
            error = ReconcileError(refused.message)
        present, moment, failing = self._stores.cluster_pods(key), now(), self._failing_of(cluster)
        plan = self._plan(cluster)
        awaited = {creation.replica for creation in plan.creations}
        if plan.error is None:
            failing.keep(awaited | {replica_of(pod) for pod in present})
        trouble = failing.trouble(cluster, present, moment)
        status = cluster_status.compute(cluster, present, service, error, timestamp(moment), trouble)
        if cluster_status.worth_writing(cluster.get("status") or {}, status) and not await self._write_status(
            self._stores.clusters, cluster, status
        ):
            return _CONFLICT_RETRY_S
        if error is not None:
            log.info("RayCluster %s/%s: %s", *key, error.message)
            return _RETRY_S
        return min([_RESYNC_S, *(failing.remaining_s(replica) for replica in awaited)])

    def _failing_of(self, cluster: Object) -> Failing:
        return self._failing.setdefault(cluster["metadata"]["uid"], Failing())

    def _plan(self, cluster: Object) -> cluster_plan.Plan:
        return cluster_plan.plan(cluster, self._stores.cluster_pods(key_of(cluster)))

    async def _ensure_secret(self, cluster: Object) -> None:
        if not k.uses_token(cluster):
            return
        namespace = cluster["metadata"]["namespace"]
        if await self._api.find(SECRETS.path(namespace, k.auth_secret(cluster))) is None:
            await self._api.create(SECRETS.path(namespace), children.auth_secret(cluster))

    async def _ensure_service(self, cluster: Object) -> Object:
        namespace, name = cluster["metadata"]["namespace"], k.head_service(cluster)
        if existing := await self._api.find(SERVICES.path(namespace, name)):
            return existing
        service = await self._api.create(SERVICES.path(namespace), children.head_service(cluster))
        note = f"Created service {namespace}/{name}"
        await self._events.record(cluster, "Normal", "CreatedService", note, "Create")
        return service

    async def _reconcile_pods(self, cluster: Object) -> ReconcileError | None:
        plan, failing = self._plan(cluster), self._failing_of(cluster)
        for deletion in plan.deletions:
            if deletion.is_failure:
                await self._note_failure(cluster, deletion.pod)
            await self._api.delete(PODS.path_to(deletion.pod), deletion.pod["metadata"]["uid"], None, missing_ok=True)
            role = "Head" if pod_state.is_head(deletion.pod) else "Worker"
            note = f"Deleted {role.lower()} Pod {deletion.pod['metadata']['name']}"
            await self._events.record(cluster, "Normal", f"Deleted{role}Pod", note, "Delete")
        for creation in plan.creations:
            if not failing.remaining_s(creation.replica) and (failure := await self._create(cluster, creation)):
                return failure
        return plan.error

    async def _note_failure(self, cluster: Object, pod: Object) -> None:
        failing = self._failing_of(cluster)
        failing.failed(pod)
        trouble = failing.trouble(cluster, [], now())
        if trouble is not None and (wait_s := failing.remaining_s(replica_of(pod))):
            note = f"{trouble.message}; next try in {wait_s:.0f} s"
            await self._events.record(cluster, "Warning", "BackOff", note, "Create")

    async def _create(self, cluster: Object, creation: Creation) -> ReconcileError | None:
        if creation.group is None:
            pod, what, suffix = pods.head_pod(cluster), "head", "HeadPod"
        else:
            pod, what, suffix = pods.worker_pod(cluster, creation.group, creation.replica_index), "worker", "WorkerPod"
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        try:
            await self._create_pod(pod)
        except ApiError as error:
            note = f"Failed to create {what} Pod {name}, {error.message}"
            await self._events.record(cluster, "Warning", f"FailedToCreate{suffix}", note, "Create")
            return ReconcileError(f"FailedCreate{suffix}: {error.message}", f"FailedCreate{suffix}")
        await self._events.record(cluster, "Normal", f"Created{suffix}", f"Created {what} Pod {name}", "Create")
        return None
