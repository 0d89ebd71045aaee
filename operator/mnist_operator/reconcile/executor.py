"""Do what the lifecycle decided."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mnist_kube.client import JSON_PATCH, KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import CORE_EVENTS, RAYCLUSTERS, resource_of
from mnist_operator.api import names
from mnist_operator.builders import identity, raycluster, rayjob
from mnist_operator.builders.context import Installation, Training
from mnist_operator.builders.metadata import job_name
from mnist_operator.builders.storage import storage_secret
from mnist_operator.lifecycle.children import stable
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
from mnist_operator.reconcile.addresses import BalancerAddresses
from mnist_operator.reconcile.children import Children
from mnist_operator.reconcile.credentials import SourceSecret
from mnist_operator.reconcile.recorder import EventRecorder
from mnist_operator.reconcile.restorer import Restorer
from mnist_operator.reconcile.state import HEAD_ACCOUNT, ClusterState

Object = dict[str, Any]
_RAY = "ray.io/v1"


@dataclass
class _Explanation:
    text: str | None
    read_at: float


class Executor:
    """Turns actions into requests, and puts what comes back into the caches at once."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        installation: Installation,
        recorder: EventRecorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._installation = installation
        self._clock = clock
        self._children = Children(api)
        self._restorer = Restorer(api, state, recorder, clock)
        self.addresses = BalancerAddresses(api, clock)
        self._explanations: dict[tuple[str, str, str], _Explanation] = {}
        self._supported: dict[str, tuple[object, ...]] = {}

    def forget(self, uid: str) -> None:
        """Drop what is known about a training's children."""
        self._children.forget(uid)
        self._supported.pop(uid, None)

    def retain(self, uids: set[str]) -> None:
        """Drop what is known about trainings that are gone."""
        self._children.retain(uids)
        for uid in self._supported.keys() - uids:
            del self._supported[uid]

    def explanation(self, namespace: str, kind: str, name: str) -> str | None:
        """Return what was last read about a child that does not come up."""
        known = self._explanations.get((namespace, kind, name))
        return known.text if known else None

    async def run(self, training: Training, actions: tuple[Action, ...], source: SourceSecret | None) -> bool:
        """Do `actions` in order. Return whether what is observed may have changed.

        Raises:
            ObstructedError: when something in the cluster is in the way of a child.
            ApiError: when the API server cannot be asked.
        """
        progress = False
        for action in actions:
            progress = await self._one(training, action, source) or progress
        return progress

    async def _one(self, training: Training, action: Action, source: SourceSecret | None) -> bool:
        match action:
            case EnsureSupport(afresh):
                if afresh:
                    self.forget(training.uid)
                await self._ensure_support(training, source)
                return False
            case CreateCluster(name):
                return await self._create(training, raycluster.ray_cluster(training, name, self._installation))
            case CreateJob(attempt, cluster):
                version = source.version if source is not None else ""
                job = rayjob.ray_job(training, attempt, cluster, self._installation, version)
                return await self._create(training, job)
            case RestoreCluster(name):
                return await self._restorer.restore(
                    training, "RayCluster", name, lambda: raycluster.ray_cluster(training, name, self._installation)
                )
            case RestoreJob(attempt, cluster):
                return await self._restorer.restore(
                    training,
                    "RayJob",
                    job_name(training.name, attempt),
                    lambda: rayjob.ray_job(training, attempt, cluster, self._installation),
                )
            case FindAddress(service):
                return await self.addresses.find(training.namespace, service)
            case ScaleCluster(name):
                return await self._scale(training, name)
            case Delete(kind, name, uid):
                return await self._delete(_RAY, kind, training.namespace, name, uid)
            case DeleteTraining():
                return await self._delete(
                    names.API_VERSION, names.KIND, training.namespace, training.name, training.uid
                )
            case Explain(kind, name):
                return await self._explain(training.namespace, kind, name)

    async def _ensure_support(self, training: Training, source: SourceSecret | None) -> None:
        accounts = self._shared_accounts(training)
        version = source.version if source is not None and source.data is not None else None
        # All that the manifests are made of. They are asked for at every look, and hardly ever differ.
        made_of = (training.generation, version, *(accounts or ()))
        if self._supported.get(training.uid) == made_of:
            return
        manifests = [*identity.service_accounts(training), identity.trainer_role(training)]
        if source is not None and source.data is not None:
            manifests.append(storage_secret(training, source.data))
        results = await asyncio.gather(
            *(self._children.ensure(training, manifest) for manifest in manifests), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result
        # Last: without the right to `bind`, a binding is refused until its Role is there.
        await self._children.ensure(training, identity.trainer_role_binding(training, accounts))
        self._supported[training.uid] = made_of

    def _shared_accounts(self, training: Training) -> list[str] | None:
        """On a shared cluster the driver has the identity of that cluster's head."""
        if training.spec.cluster_ref is None:
            return None
        cluster = self._state.clusters.get(training.namespace, training.spec.cluster_ref.name)
        return [cluster["spec"][HEAD_ACCOUNT]] if cluster is not None else None

    async def _create(self, training: Training, manifest: Object) -> bool:
        live = await self._children.create(training, manifest)
        changed = self._state.cache(manifest["kind"]).put(live)
        self._restorer.made(live)
        return changed

    async def _scale(self, training: Training, name: str) -> bool:
        live = self._state.clusters.get(training.namespace, name)
        patch = raycluster.scale_patch(training, live) if live is not None else []
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
        try:
            answer = await self._api.delete(resource_of(api_version, kind).path(namespace, name), uid, propagation)
        except ApiError as error:
            if not error.not_found and not error.conflict:
                raise
            cache.remove(namespace, name, uid)
            return True
        if (answer.get("metadata") or {}).get("deletionTimestamp"):
            cache.put(answer)
        else:
            cache.remove(namespace, name, uid)
        return True

    async def _explain(self, namespace: str, kind: str, name: str) -> bool:
        """Find the newest warning about a child; KubeRay tells of a refused RayCluster only there."""
        key = (namespace, kind, name)
        known = self._explanations.get(key)
        if known is not None and self._clock() - known.read_at < 15:
            return False
        path = CORE_EVENTS.path(namespace)
        try:
            found = await self._api.get(path, {"fieldSelector": f"involvedObject.name={name}"})
        except ApiError as error:
            if error.status == 403:
                return False
            raise
        warnings = [item for item in found.get("items") or [] if item.get("type") == "Warning"]
        warnings.sort(key=_when)
        text = stable(f"{warnings[-1].get('reason')}: {warnings[-1].get('message')}")[:1000] if warnings else None
        if len(self._explanations) > 1000:
            self._explanations.clear()
        self._explanations[key] = _Explanation(text, self._clock())
        return text != (known.text if known else None)


def _when(event: Object) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
