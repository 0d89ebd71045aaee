"""One reconcile: observe, decide, act, write, and again until nothing changes.

A key comes from the queue: namespace and name of a training. What is known of it is in the caches, which the watches
fill; what the watches cannot tell (the Secret that it names, a child that seems to be gone) is asked of the API. From
one such look the lifecycle decides, without I/O: the next status, and actions. The actions are done first, so that the
status tells of what is there; then the status is written, over the version that was decided on and no other. Whatever
changed by that is in the caches at once, and the next turn sees it. The queue has one reconcile at a time per training.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import ValidationError

from mnist_kube import times
from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Key, Object
from mnist_kube.resources import TRAININGS, resource_of
from mnist_operator.actions import Actions
from mnist_operator.api.status import MnistTrainingStatus, Phase
from mnist_operator.cache import Clock, ClusterState
from mnist_operator.children.checks import spec_problems
from mnist_operator.children.cluster import ClusterView, ray_cluster
from mnist_operator.children.job import JobView
from mnist_operator.children.training import ANNOTATION_HASH, Installation, Training, training_of
from mnist_operator.credentials import SourceSecrets
from mnist_operator.lifecycle.decision import Decision
from mnist_operator.lifecycle.observed import DEFAULT_POLICY, Observed, Policy
from mnist_operator.lifecycle.table import decide
from mnist_operator.memory import Memories, Memory, SourceSecret
from mnist_operator.owned import ObstructedError, TrainingEvents

logger = logging.getLogger(__name__)
_MOST_TURNS = 20
_FINISHED = {Phase.SUCCEEDED, Phase.FAILED}
StatusObserver = Callable[[Object, Object, datetime], None]
"""Is shown a training before and after each write of its status, and the time."""


class NotDoneError(Exception):
    """The reconcile ended at an obstacle, which the status tells of; it is to be tried again, later and later."""


@dataclass(frozen=True)
class Look:
    """One look at a training: the object that it was made from, and what the lifecycle decides from."""

    obj: Object
    observed: Observed
    secret: SourceSecret | None

    @property
    def training(self) -> Training:
        """The training that was looked at."""
        return self.observed.training

    def patch(self, decision: Decision) -> Object | None:
        """Return the merge patch that writes the decision's status; None when it stands there already."""
        version = str(self.obj["metadata"].get("resourceVersion") or "")
        return status_patch(self.obj.get("status") or {}, decision.status, version)


class Reconciler:
    """Reconciles trainings by key."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        installation: Installation,
        clock: Clock = times.now,
        on_status: StatusObserver = lambda before, after, now: None,
        policy: Policy = DEFAULT_POLICY,
    ) -> None:
        self._api = api
        self._state = state
        self._installation = installation
        self._clock = clock
        self._on_status = on_status
        self._policy = policy
        self.memories = Memories()
        self._secrets = SourceSecrets(api, self.memories, policy.credentials_refresh)
        self._events = TrainingEvents(api)
        self._actions = Actions(api, state, installation, self.memories, self._events)

    async def reconcile(self, key: Key) -> float | None:
        """Bring one training as far as it goes now. Return the seconds after which to look again, if any.

        Raises:
            NotDoneError: at an obstacle that the status tells of.
            ApiError: when the API server cannot be asked.
        """
        if self._state.rests(*key):
            return None
        for _ in range(_MOST_TURNS):
            look = await self._observe(key)
            if look is None:
                return None
            decision = decide(look.observed)
            if decision.verify and look.patch(decision) is not None:
                # Decided from silence, which may be that of our own watch: the API itself is asked first.
                look = await self._observe(key, afresh=True)
                if look is None:
                    return None
                decision = decide(look.observed)
            try:
                changed = await self._actions.run(look.training, decision.actions, look.secret)
            except ObstructedError as error:
                await self._write(look, decide(replace(look.observed, obstacle=error.obstacle)))
                raise NotDoneError(error.obstacle.message) from error
            written = await self._write(look, decision)
            if not changed and not written:
                return decision.look_again
        raise NotDoneError(f"no rest after {_MOST_TURNS} turns")

    # --- observe -----------------------------------------------------------------------------------------------------

    async def _observe(self, key: Key, *, afresh: bool = False) -> Look | None:
        """Look at a training, as the API has it now if `afresh`. Return None when there is nothing to decide on."""
        if afresh:
            await self._read_again(key)
        obj = self._state.trainings.get(*key)
        if obj is None:
            return None
        try:
            training = training_of(obj)
        except ValidationError as error:
            logger.error("%s/%s: the stored spec does not fit this operator: %s", *key, error)
            return None
        status = MnistTrainingStatus.model_validate(obj.get("status") or {})
        finished = status.phase in _FINISHED or bool(obj["metadata"].get("deletionTimestamp"))
        suspending = training.spec.run_policy.suspend
        secret = None if finished or suspending else await self._read_secret(training, status)
        if not finished and status.phase is not Phase.SUSPENDED:
            await self._confirm_absences(training, status)
        return Look(obj, self._observed(obj, training, status, secret), secret)

    def _observed(
        self, obj: Object, training: Training, status: MnistTrainingStatus, secret: SourceSecret | None
    ) -> Observed:
        memory, state = self.memories.of(training.uid), self._state
        clusters = state.clusters.labelled(training.namespace, training.name)
        if training.spec.cluster_ref is not None:
            shared = state.clusters.get(training.namespace, training.spec.cluster_ref.name)
            clusters = [*clusters, *([shared] if shared is not None else [])]
        views = tuple(ClusterView.of(item) for item in clusters)
        name = status.ray_cluster.name if status.ray_cluster else None
        service = next((view.head_service for view in views if view.name == name), None)
        child = f"RayCluster/{name}"
        if status.ray_job is not None and status.ray_job.name:
            child = f"RayJob/{status.ray_job.name}"
        head_pod = next((view.head_pod for view in views if view.name == name), None)
        explanation, address = memory.explanations.get(child), memory.addresses.get(service or "")
        of_head = memory.explanations.get(f"Pod/{head_pod}")
        return Observed(
            training=training,
            status=status,
            now=self._clock(),
            deleting=bool(obj["metadata"].get("deletionTimestamp")),
            credentials=secret.problem if secret is not None else None,
            credentials_version=secret.version if secret is not None else "",
            spec_problems=self._spec_problems(training, memory),
            clusters=views,
            jobs=tuple(JobView.of(item) for item in state.jobs.labelled(training.namespace, training.name)),
            ray_version=training.ray_version(self._installation),
            desired_cluster=lambda: ray_cluster(training, "", self._installation)["metadata"]["annotations"][
                ANNOTATION_HASH
            ],
            explanation=explanation.text if explanation is not None else None,
            pod_explanation=of_head.text if of_head is not None else None,
            balancer=address.text if address is not None else None,
            node_address=self._installation.node_address,
            policy=self._policy,
        )

    def _spec_problems(self, training: Training, memory: Memory) -> tuple[str, ...]:
        version = (training.generation, training.labels)
        if memory.checked is None or memory.checked[0] != version:
            memory.checked = version, tuple(spec_problems(training, self._installation))
        return memory.checked[1]

    async def _read_secret(self, training: Training, status: MnistTrainingStatus) -> SourceSecret:
        report = status.training
        refused = report is not None and report.failure is not None and report.failure.reason == "StoreAccessDenied"
        refusal = f"{report.run_id} {report.updated_at}" if refused and report is not None else ""
        return await self._secrets.read(training, refusal=refusal)

    async def _confirm_absences(self, training: Training, status: MnistTrainingStatus) -> None:
        """Ask the API itself before a child counts as lost: a cache may lag behind, or still be filling."""
        cluster, job = status.ray_cluster, status.ray_job
        expected = []
        if cluster is not None and cluster.name and cluster.workers is not None:
            expected.append(("RayCluster", cluster.name))
        if job is not None and job.name:
            expected.append(("RayJob", job.name))
        for kind, name in expected:
            if self._state.cache(kind).get(training.namespace, name) is None:
                await self._look_up(kind, training.namespace, name)
        if training.spec.cluster_ref is not None:
            # Not ours, so not watched.
            await self._look_up("RayCluster", training.namespace, training.spec.cluster_ref.name)

    async def _look_up(self, kind: str, namespace: str, name: str) -> None:
        cache = self._state.cache(kind)
        live = await self._api.find(resource_of("ray.io/v1", kind).path(namespace, name))
        if live is None:
            cache.remove(namespace, name)
        else:
            cache.put(live)

    # --- write -------------------------------------------------------------------------------------------------------

    async def _write(self, look: Look, decision: Decision) -> bool:
        """Write the status and the events that go with it. Return whether there was anything to write."""
        patch = look.patch(decision)
        if patch is None:
            return False
        training = look.training
        key = (training.namespace, training.name)
        try:
            answer = await self._api.patch(TRAININGS.path(*key, "status"), patch)
        except ApiError as error:
            if error.not_found:
                self._state.trainings.remove(*key, training.uid)
            elif error.conflict:
                await self._read_again(key)
            else:
                raise
            return True
        self._state.trainings.put(answer)
        self._on_status(look.obj, answer, self._clock())
        status = decision.status
        logger.info("%s/%s: %s (%s) %s", *key, status.phase or "-", status.reason, status.message)
        for event in decision.events:
            await self._events.record(training, event, patch["metadata"]["resourceVersion"])
        return True

    async def _read_again(self, key: Key) -> None:
        """Bring the cache to what the API has now: the training was changed, or is gone."""
        live, known = await self._api.find(TRAININGS.path(*key)), self._state.trainings.get(*key)
        if live is not None:
            self._state.trainings.put(live)
        elif known is not None:
            self._state.trainings.remove(*key, known["metadata"]["uid"])


def status_patch(before: Object, after: MnistTrainingStatus, resource_version: str) -> Object | None:
    """Return the merge patch (RFC 7386) that turns the stored status into `after`; None when it is that already.

    Args:
        before: the status as stored.
        after: the status that was decided on; its `training` is the trainer's and is left out.
        resource_version: the version that was decided on. The server refuses the patch when there is a newer one.
    """
    desired = after.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"training"})
    stored = {key: value for key, value in before.items() if key != "training"}
    if not stored.get("conditions") and not desired.get("conditions"):
        desired.pop("conditions", None)
    changes = _difference(stored, desired)
    if not changes:
        return None
    return {"metadata": {"resourceVersion": resource_version}, "status": changes}


def _difference(before: Object, after: Object) -> Object:
    changes: Object = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if old == value:
            continue
        changes[key] = _difference(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return changes
