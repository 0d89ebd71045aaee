"""Objects that belong to a training: created, never adopted, compared with what is desired, and put back if changed.

A child is POSTed. One that exists is ours only when its controller reference carries the training's uid; another's is
left alone, and one of a former training of that name is waited out. Support objects (Secret, accounts, rights) are not
watched: they are compared when what they are made of changes, and at each resync. RayClusters and RayJobs are watched:
a digest of the spec as it was made shows whether somebody changed it, so that one nobody changed costs no request.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mnist_kube.client import JSON_PATCH, KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.events import EventRecorder
from mnist_kube.objects import Object, controller_uid
from mnist_kube.resources import collection_of, path_of
from mnist_operator.api import names
from mnist_operator.cache import DIGEST, ClusterState
from mnist_operator.children.drift import lacks, put_back
from mnist_operator.children.training import ANNOTATION_HASH, MANAGED_BY, Training
from mnist_operator.lifecycle.decision import Event
from mnist_operator.lifecycle.observed import Obstacle
from mnist_operator.memory import Memories, Memory

logger = logging.getLogger(__name__)
_RAY_GROUP = "ray.io/"
_PAUSE = 5.0
"""Seconds between two times that one spec is put back: whoever changes it as fast as we do may have a reason."""


class ObstructedError(Exception):
    """A child cannot be made now; the obstacle is for the training's status."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.message)
        self.obstacle = obstacle


class TrainingEvents:
    """Events on trainings."""

    def __init__(self, api: KubeApi) -> None:
        self._recorder = EventRecorder(api, f"{names.GROUP}/{MANAGED_BY}", source=MANAGED_BY)

    async def record(self, training: Training, event: Event, resource_version: str = "") -> None:
        """Write one event about `training`, in the version that it is about."""
        metadata = {
            "name": training.name,
            "namespace": training.namespace,
            "uid": training.uid,
            "resourceVersion": resource_version,
        }
        about = {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": metadata}
        await self._recorder.record(about, "Warning" if event.warning else "Normal", event.reason, event.message)


class OwnedObjects:
    """Creates, compares and puts back what belongs to trainings."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        memories: Memories,
        events: TrainingEvents,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._memories = memories
        self._events = events
        self._clock = clock
        self._known: frozenset[str] = frozenset()
        """Kinds of KubeRay's whose CRD is known to have every field that is ours."""

    # --- made --------------------------------------------------------------------------------------------------------

    async def ensure(self, training: Training, manifest: Object) -> None:
        """Create a support object, or bring ours to the desired content when its hash or its content differs.

        Raises:
            ObstructedError: when something in the cluster is in the way.
            ApiError: when the API server cannot be asked.
        """
        known = self._memories.of(training.uid).ensured
        key = (manifest["kind"], manifest["metadata"]["name"])
        desired = manifest["metadata"]["annotations"][ANNOTATION_HASH]
        if known.get(key) == desired:
            return
        live = await self._find(training, manifest) if key in known else None
        if live is None:
            live, is_new = await self._create(training, manifest)
            if is_new:
                known[key] = desired
                return
        if (live["metadata"].get("annotations") or {}).get(ANNOTATION_HASH) != desired or _differs(manifest, live):
            await self._update(manifest, live)
        known[key] = desired

    async def create(self, training: Training, manifest: Object) -> bool:
        """Create a RayCluster or RayJob, or find it there and ours. Return whether that was news.

        Raises:
            ObstructedError: when something in the cluster is in the way.
            ApiError: when the API server cannot be asked.
        """
        live, _ = await self._create(training, manifest)
        cache = self._state.cache(manifest["kind"])
        news = cache.put(live)
        if (cached := cache.get(training.namespace, live["metadata"]["name"])) is not None:
            _remember(self._memories.of(training.uid), cached)
        return news

    async def _create(self, training: Training, manifest: Object) -> tuple[Object, bool]:
        """Create a child, or find it there. Return it as it is, and whether it was made now."""
        # A field that KubeRay's schema does not know would be dropped without a word: one of ours by an old KubeRay,
        # which the first object of a kind tells, or one of the user's pod templates.
        kind, of_ray = manifest["kind"], manifest["apiVersion"].startswith(_RAY_GROUP)
        strict = of_ray and (kind not in self._known or training.has_templates)
        try:
            made = await self._api.create(collection_of(manifest), manifest, strict=strict)
        except ApiError as error:
            if not error.already_exists:
                raise_obstacle(error, manifest)
        else:
            if strict:
                self._known |= {kind}
            elif of_ray:
                await self._refuse_what_lost_fields(manifest, made)
            return made, True
        live = await self._find(training, manifest)
        if live is None:  # deleted in this moment
            raise ObstructedError(Obstacle("WaitingForDeletion", f"{manifest['kind']} is being deleted"))
        return live, False

    async def _refuse_what_lost_fields(self, manifest: Object, made: Object) -> None:
        """Delete a child that the server stored without a part of it; the next try is strict, and tells what it was."""
        lost = sorted(manifest["spec"].keys() - (made.get("spec") or {}).keys())
        if not lost:
            return
        kind = manifest["kind"]
        self._known -= {kind}
        await self._api.delete(path_of(manifest), made["metadata"]["uid"], missing_ok=True)
        message = f"The KubeRay in this cluster does not know spec.{lost[0]} of {kind} any more; it is tried again"
        raise ObstructedError(Obstacle("ChildRefused", message))

    async def _find(self, training: Training, manifest: Object) -> Object | None:
        """Return our child, or None when there is no object of that name."""
        live = await self._api.find(path_of(manifest))
        if live is None or controller_uid(live) == training.uid:
            return live
        raise ObstructedError(_foreign(training, manifest, live))

    async def _update(self, manifest: Object, live: Object) -> None:
        """Replace what is desired; a merge patch leaves what others added to metadata alone."""
        content = _content(manifest)
        if "data" in content:
            content["data"] = {**dict.fromkeys(live.get("data") or {}), **content["data"]}
        metadata = {key: manifest["metadata"][key] for key in ("labels", "annotations")}
        content.pop("roleRef", None)  # immutable, and a function of the name
        try:
            await self._api.patch(path_of(manifest), {"metadata": metadata, **content})
        except ApiError as error:
            raise_obstacle(error, manifest)

    # --- put back ----------------------------------------------------------------------------------------------------

    async def restore(self, training: Training, kind: str, name: str, desired: Callable[[], Object]) -> bool:
        """Put a RayCluster's or RayJob's spec back if it was changed. Return whether it was.

        A child made before this process began is compared with `desired` once, if its spec was ever changed; a spec of
        the training that has changed since the child was made leaves nothing to compare with.

        Raises:
            ApiError: when the API server cannot be asked.
        """
        cached = self._state.cache(kind).get(training.namespace, name)
        if cached is None or cached["metadata"].get("deletionTimestamp"):
            return False
        memory = self._memories.of(training.uid)
        uid, digest = cached["metadata"]["uid"], cached["spec"][DIGEST]
        made = memory.made.get(uid)
        if made == digest or self._clock() - memory.put_back_at.get(uid, -_PAUSE) < _PAUSE:
            return False
        if made is None and cached["metadata"].get("generation") == 1:
            _remember(memory, cached)
            return False
        manifest = desired()
        hashed = manifest["metadata"]["annotations"][ANNOTATION_HASH]
        if (cached["metadata"].get("annotations") or {}).get(ANNOTATION_HASH) != hashed:
            _remember(memory, cached)
            return False
        return await self._put_back(training, memory, cached, manifest, sure=made is not None)

    async def _put_back(
        self, training: Training, memory: Memory, cached: Object, manifest: Object, *, sure: bool
    ) -> bool:
        kind, metadata = manifest["kind"], cached["metadata"]
        try:
            live = await self._api.get(path_of(manifest))
            spec = put_back(manifest["spec"], live["spec"])
            if not sure and not lacks(spec, live["spec"]):
                _remember(memory, cached)
                return False
            patch = [
                {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
                {"op": "replace", "path": "/spec", "value": spec},
            ]
            answer = await self._api.patch(path_of(manifest), patch, JSON_PATCH)
        except ApiError as error:
            if error.not_found or error.status == 422:  # gone, or another of that name: look again
                return False
            raise
        cache = self._state.cache(kind)
        cache.put(answer)
        _remember(memory, cache.get(training.namespace, metadata["name"]) or cached)
        memory.put_back_at[metadata["uid"]] = self._clock()
        message = f"The spec of {kind} {metadata['name']} was changed by somebody else; it was put back"
        logger.warning("%s/%s: %s", training.namespace, training.name, message)
        await self._events.record(training, Event("DriftCorrected", message, warning=True))
        return True


def _remember(memory: Memory, cached: Object) -> None:
    memory.made[cached["metadata"]["uid"]] = cached["spec"][DIGEST]


def _content(manifest: Object) -> Object:
    return {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind", "metadata"}}


def _differs(manifest: Object, live: Object) -> bool:
    """Whether somebody changed what the hash in the annotations still promises."""
    return lacks(_content(manifest), live) or set(live.get("data") or {}) != set(manifest.get("data") or {})


def _foreign(training: Training, manifest: Object, live: Object) -> Obstacle:
    what = f"{manifest['kind']} {training.namespace}/{manifest['metadata']['name']}"
    references = live["metadata"].get("ownerReferences") or []
    if any(item.get("kind") == names.KIND and item.get("name") == training.name for item in references):
        return Obstacle("WaitingForDeletion", f"{what} of a former training of this name is still being deleted")
    return Obstacle(
        "ChildConflict",
        f"{what} exists and does not belong to this training; it was left alone. Delete it, or use another name",
    )


def raise_obstacle(error: ApiError, manifest: Object) -> None:
    """Raise what a refusal means for the training, or the error itself when it will pass.

    Raises:
        ObstructedError: for a refusal that a person should know of.
        ApiError: for anything else.
    """
    what = f"{manifest['kind']} {manifest['metadata']['name']}"
    if error.status == 403:
        if "exceeded quota" in error.message:
            message = f"The namespace's quota has no room: {error.message}. It is tried again"
            raise ObstructedError(Obstacle("QuotaExceeded", message)) from error
        if "being terminated" in error.message:
            raise ObstructedError(Obstacle("NamespaceTerminating", error.message)) from error
        raise ObstructedError(Obstacle("Forbidden", f"{what}: {error.message}")) from error
    if error.not_found and manifest["apiVersion"].startswith(_RAY_GROUP) and "namespaces" not in error.message:
        message = f"The cluster does not know {manifest['kind']} (ray.io/v1): install KubeRay 1.5.1 or later"
        raise ObstructedError(Obstacle("KubeRayMissing", message)) from error
    if error.status == 400 and '"spec.authOptions"' in error.message:
        message = (
            "The KubeRay in this cluster has no token authentication (authOptions): install KubeRay 1.5.1 or later"
        )
        raise ObstructedError(Obstacle("KubeRayTooOld", message)) from error
    if error.status in {400, 422}:
        raise ObstructedError(Obstacle("ChildRefused", f"{what}: {error.message}")) from error
    raise error
