"""One reconcile: look, decide, act, write, and look again until nothing is left to do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from pydantic import ValidationError

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import TRAININGS, resource_of
from mnist_operator.api.groups import ServiceType
from mnist_operator.api.status import MnistTrainingStatus, Phase
from mnist_operator.builders.context import Installation, Training
from mnist_operator.lifecycle import Decision, decide
from mnist_operator.lifecycle.decision import DEFAULT_POLICY, Policy
from mnist_operator.lifecycle.facts import Obstacle
from mnist_operator.reconcile.cache import Key
from mnist_operator.reconcile.children import ObstructedError
from mnist_operator.reconcile.credentials import SourceSecret, SourceSecrets
from mnist_operator.reconcile.executor import Executor
from mnist_operator.reconcile.recorder import EventRecorder
from mnist_operator.reconcile.state import Clock, ClusterState, Object, observe, training_of, utc_now
from mnist_operator.reconcile.status import status_patch

logger = logging.getLogger(__name__)
_MAX_STEPS = 20
StatusObserver = Callable[[Object, Object, datetime], None]
"""Is shown a training before and after each write of its status, and the time."""
_AT_REST = {Phase.SUCCEEDED, Phase.FAILED, Phase.SUSPENDED}


class NotDoneError(Exception):
    """The reconcile ended at an obstacle, which the status tells of; it is to be tried again, later and later."""


class Reconciler:
    """Reconciles trainings by key."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        installation: Installation,
        clock: Clock = utc_now,
        on_status: StatusObserver = lambda before, after, now: None,
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self._api = api
        self._state = state
        self._installation = installation
        self._clock = clock
        self._on_status = on_status
        self._policy = policy
        self._secrets = SourceSecrets(api, policy.credentials_refresh)
        self._recorder = EventRecorder(api)
        self._executor = Executor(api, state, installation, self._recorder)

    def recheck(self, uid: str) -> None:
        """Drop what is remembered about a training, so that the next reconcile looks at everything anew."""
        self._secrets.forget(uid)
        self._executor.forget(uid)

    def retain(self, uids: set[str]) -> None:
        """Drop what is remembered about trainings that are gone, so that memory is that of those that are there."""
        self._secrets.retain(uids)
        self._executor.retain(uids)

    async def reconcile(self, key: Key) -> float | None:
        """Bring one training as far as it goes now. Return the seconds after which to look again, if any.

        Raises:
            NotDoneError: at an obstacle that the status tells of.
            ApiError: when the API server cannot be asked.
        """
        obstacle: Obstacle | None = None
        verified = False
        for _ in range(_MAX_STEPS):
            obj = self._state.trainings.get(*key)
            if obj is None:
                return None
            try:
                training = training_of(obj)
            except ValidationError as error:
                logger.error("%s/%s: the stored spec does not fit this operator: %s", *key, error)
                return None
            source = await self._credentials(training, obj)
            await self._confirm_absences(training, obj)
            decision = self._decide(obj, training, source, obstacle)
            if decision.verify and not verified:
                verified = True
                await self._refresh(key, TRAININGS.path(*key), training.uid)
                continue
            progress = False
            if obstacle is None:
                try:
                    progress = await self._executor.run(training, decision.actions, source)
                except ObstructedError as error:
                    obstacle = error.obstacle
                    continue
            if progress and _only_acts(obj, decision):
                continue
            written = await self._write(key, obj, training, decision)
            if obstacle is not None and not written:
                raise NotDoneError(obstacle.message)
            if not written and not progress:
                return decision.look_again
        raise NotDoneError(f"no rest after {_MAX_STEPS} steps")

    def _decide(
        self, obj: Object, training: Training, source: SourceSecret | None, obstacle: Obstacle | None
    ) -> Decision:
        status = obj.get("status") or {}
        child = ("RayJob", status["rayJob"]["name"]) if (status.get("rayJob") or {}).get("name") else None
        child = child or ("RayCluster", (status.get("rayCluster") or {}).get("name") or "")
        observed = observe(
            training,
            obj,
            self._state,
            self._installation,
            self._clock(),
            credentials=source.problem if source is not None else None,
            obstacle=obstacle,
            explanation=self._executor.explanation(training.namespace, *child),
            credentials_version=source.version if source is not None else "",
            balancer=self._executor.addresses.known(training.namespace, _head_service(training, obj, self._state)),
            policy=self._policy,
        )
        decision = decide(observed)
        logger.debug("%s/%s: %s", training.namespace, training.name, decision.transition)
        return decision

    async def _credentials(self, training: Training, obj: Object) -> SourceSecret | None:
        """Read the source Secret, unless the training is at rest: then nothing is asked for."""
        phase = (obj.get("status") or {}).get("phase")
        if phase in {item.value for item in _AT_REST - {Phase.SUSPENDED}} or obj["metadata"].get("deletionTimestamp"):
            return None
        if training.spec.run_policy.suspend:
            return None
        report = (obj.get("status") or {}).get("training") or {}
        refused = (report.get("failure") or {}).get("reason") == "StoreAccessDenied"
        return await self._secrets.read(
            training, doubt=f"{report.get('runId')} {report.get('updatedAt')}" if refused else ""
        )

    async def _confirm_absences(self, training: Training, obj: Object) -> None:
        """Ask the API itself before a child counts as lost: a cache may lag behind, or still be filling."""
        status = MnistTrainingStatus.model_validate(obj.get("status") or {})
        if status.phase in _AT_REST or obj["metadata"].get("deletionTimestamp"):
            return
        cluster, job = status.ray_cluster, status.ray_job
        wanted = []
        if cluster is not None and cluster.name and cluster.workers is not None:
            wanted.append(("RayCluster", cluster.name))
        if job is not None and job.name:
            wanted.append(("RayJob", job.name))
        for kind, name in wanted:
            if self._state.cache(kind).get(training.namespace, name) is None:
                await self._look_up(kind, training.namespace, name)
        if training.spec.cluster_ref is not None:
            # Not ours, so not watched.
            await self._look_up("RayCluster", training.namespace, training.spec.cluster_ref.name)

    async def _look_up(self, kind: str, namespace: str, name: str) -> None:
        cache = self._state.cache(kind)
        try:
            cache.put(await self._api.get(resource_of("ray.io/v1", kind).path(namespace, name)))
        except ApiError as error:
            if not error.not_found:
                raise
            cache.remove(namespace, name)

    async def _write(self, key: Key, obj: Object, training: Training, decision: Decision) -> bool:
        """Write the status and the events that go with it. Return whether anything was written."""
        version = str(obj["metadata"].get("resourceVersion") or "")
        patch = status_patch(obj.get("status") or {}, decision.status, version)
        if patch is None:
            return False
        path = TRAININGS.path(*key)
        try:
            answer = await self._api.patch(f"{path}/status", patch)
        except ApiError as error:
            if error.not_found:
                self._state.trainings.remove(*key, training.uid)
                return True
            if not error.conflict:
                raise
            await self._refresh(key, path, training.uid)
            return True
        self._state.trainings.put(answer)
        self._on_status(obj, answer, self._clock())
        phase = decision.status.phase.value if decision.status.phase else "-"
        logger.info("%s/%s: %s (%s) %s", *key, phase, decision.status.reason, decision.status.message)
        for event in decision.events:
            await self._recorder.record(training, version, event)
        return True

    async def _refresh(self, key: Key, path: str, uid: str) -> None:
        try:
            self._state.trainings.put(await self._api.get(path))
        except ApiError as error:
            if not error.not_found:
                raise
            self._state.trainings.remove(*key, uid)


def _head_service(training: Training, obj: Object, state: ClusterState) -> str | None:
    if training.spec.head.service_type is not ServiceType.LOAD_BALANCER:
        return None
    name = ((obj.get("status") or {}).get("rayCluster") or {}).get("name")
    cluster = state.clusters.get(training.namespace, name) if name else None
    return ((cluster or {}).get("status", {}).get("head") or {}).get("serviceName")


def _only_acts(obj: Object, decision: Decision) -> bool:
    """Whether a decision leaves the status alone; what it did is then looked at before anything is written."""
    return status_patch(obj.get("status") or {}, decision.status, "") is None
