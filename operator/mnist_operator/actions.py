"""Do what the lifecycle decided: each action becomes requests, and what comes back goes into the caches at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mnist_kube.client import JSON_PATCH, KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import CORE_EVENTS, RAYCLUSTERS, SERVICES, resource_of
from mnist_operator.api import names
from mnist_operator.cache import HEAD_ACCOUNT, ClusterState
from mnist_operator.children import support
from mnist_operator.children.cluster import ray_cluster, scale_patch, stable
from mnist_operator.children.job import ray_job
from mnist_operator.children.training import Installation, Training, job_name
from mnist_operator.lifecycle.decision import (
    Action,
    CreateCluster,
    CreateJob,
    Delete,
    DeleteTraining,
    EnsureSupport,
    Explain,
    FindAddress,
    RestoreCluster,
    RestoreJob,
    ScaleCluster,
)
from mnist_operator.memory import Finding, Memories, SourceSecret
from mnist_operator.owned import OwnedObjects, TrainingEvents

_RAY = "ray.io/v1"
_EXPLAIN_PAUSE = 15.0
_ADDRESS_PAUSE = 5.0


class Actions:
    """Turns actions into requests."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        installation: Installation,
        memories: Memories,
        events: TrainingEvents,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._installation = installation
        self._memories = memories
        self._owned = OwnedObjects(api, state, memories, events, clock)
        self._clock = clock

    async def run(self, training: Training, actions: tuple[Action, ...], secret: SourceSecret | None) -> bool:
        """Do `actions` in order. Return whether what is observed may have changed.

        Raises:
            ObstructedError: when something in the cluster is in the way of a child.
            ApiError: when the API server cannot be asked.
        """
        changed = False
        for action in actions:
            changed = await self._one(training, action, secret) or changed
        return changed

    async def _one(self, training: Training, action: Action, secret: SourceSecret | None) -> bool:
        match action:
            case EnsureSupport(afresh):
                if afresh:
                    self._memories.of(training.uid).forget_support()
                await self._ensure_support(training, secret)
                return False
            case CreateCluster(name):
                return await self._owned.create(training, self._cluster(training, name))
            case CreateJob(attempt, cluster):
                version = secret.version if secret is not None else ""
                job = ray_job(training, attempt, cluster, self._installation, version)
                return await self._owned.create(training, job)
            case RestoreCluster(name):
                return await self._owned.restore(training, "RayCluster", name, lambda: self._cluster(training, name))
            case RestoreJob(attempt, cluster):
                return await self._owned.restore(
                    training,
                    "RayJob",
                    job_name(training.name, attempt),
                    lambda: ray_job(training, attempt, cluster, self._installation),
                )
            case ScaleCluster(name):
                return await self._scale(training, name)
            case Delete(kind, name, uid):
                return await self._delete(_RAY, kind, training.namespace, name, uid)
            case DeleteTraining():
                return await self._delete(
                    names.API_VERSION, names.KIND, training.namespace, training.name, training.uid
                )
            case Explain(kind, name):
                return await self._explain(training, kind, name)
            case FindAddress(service):
                return await self._find_address(training, service)

    def _cluster(self, training: Training, name: str) -> Object:
        return ray_cluster(training, name, self._installation)

    async def _ensure_support(self, training: Training, secret: SourceSecret | None) -> None:
        memory = self._memories.of(training.uid)
        accounts = self._shared_accounts(training)
        data = secret.data if secret is not None else None
        # All that the manifests are made of. They are asked for at every look, and hardly ever differ.
        made_of = (training.generation, secret.version if secret and data is not None else None, *(accounts or ()))
        if memory.supported == made_of:
            return
        manifests = [*support.service_accounts(training), support.trainer_role(training)]
        if data is not None:
            manifests.append(support.storage_secret(training, data))
        results = await asyncio.gather(
            *(self._owned.ensure(training, manifest) for manifest in manifests), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        # Last: without the right to `bind`, a binding is refused until its Role is there.
        await self._owned.ensure(training, support.trainer_role_binding(training, accounts))
        memory.supported = made_of

    def _shared_accounts(self, training: Training) -> list[str] | None:
        """On a shared cluster the driver has the identity of that cluster's head."""
        if training.spec.cluster_ref is None:
            return None
        cluster = self._state.clusters.get(training.namespace, training.spec.cluster_ref.name)
        return [cluster["spec"][HEAD_ACCOUNT]] if cluster is not None else None

    async def _scale(self, training: Training, name: str) -> bool:
        live = self._state.clusters.get(training.namespace, name)
        patch = scale_patch(training, live) if live is not None else []
        if not patch:
            return False
        path = RAYCLUSTERS.path(training.namespace, name)
        try:
            return self._state.clusters.put(await self._api.patch(path, patch, JSON_PATCH))
        except ApiError as error:
            if error.not_found or error.status == 422:  # gone, or its groups have changed under us: look again
                return False
            raise

    async def _delete(self, api_version: str, kind: str, namespace: str, name: str, uid: str) -> bool:
        # Foreground, so that a cluster is gone only when its pods are.
        propagation = "Foreground" if kind == "RayCluster" else "Background"
        cache = self._state.cache(kind)
        path = resource_of(api_version, kind).path(namespace, name)
        answer = await self._api.delete(path, uid, propagation, missing_ok=True)
        if (answer.get("metadata") or {}).get("deletionTimestamp"):
            cache.put(answer)
        else:
            cache.remove(namespace, name, uid)
        return True

    async def _explain(self, training: Training, kind: str, name: str) -> bool:
        """Find the newest warning about a child; KubeRay tells of a refused RayCluster only there."""
        explanations, key = self._memories.of(training.uid).explanations, f"{kind}/{name}"
        known = explanations.get(key)
        if known is not None and self._clock() - known.at < _EXPLAIN_PAUSE:
            return False
        try:
            query = {"fieldSelector": f"involvedObject.name={name}"}
            found = await self._api.get(CORE_EVENTS.path(training.namespace), query)
        except ApiError as error:
            if error.status == 403:
                return False
            raise
        warnings = [item for item in found.get("items") or [] if item.get("type") == "Warning"]
        warnings.sort(key=_when)
        text = stable(f"{warnings[-1].get('reason')}: {warnings[-1].get('message')}")[:1000] if warnings else None
        explanations[key] = Finding(text, self._clock())
        return text != (known.text if known else None)

    async def _find_address(self, training: Training, service: str) -> bool:
        """Ask for the address of a head's Service until its load balancer has one."""
        addresses = self._memories.of(training.uid).addresses
        known = addresses.get(service)
        if known is not None and (known.text or self._clock() - known.at < _ADDRESS_PAUSE):
            return False
        addresses[service] = Finding(None, self._clock())
        try:
            found = await self._api.get(SERVICES.path(training.namespace, service))
        except ApiError as error:
            if error.status in {403, 404}:
                return False
            raise
        for ingress in ((found.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
            if address := ingress.get("hostname") or ingress.get("ip"):
                addresses[service] = Finding(f"[{address}]" if ":" in address else address, self._clock())
                return True
        return False


def _when(event: Object) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
