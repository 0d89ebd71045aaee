"""kopf's part: watches. A handler stores what it is shown and puts a key on the queue; it does nothing else.

kopf's handlers are not retried, and run in parallel for a training and its children; the queue makes up for both.

Nor does kopf list or remember anything of ours. It would bring each of 20,000 finished trainings as an event of its own
(0.6 ms of CPU each) and keep a memory for it for ever (2 kB), while the resync lists them anyway.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from typing import Any

import kopf
from kopf._cogs.clients import api as kopf_api
from kopf._cogs.clients import fetching
from kopf._core.reactor import inventory

from mnist_kube.objects import Key
from mnist_kube.queue import WorkQueue
from mnist_operator.api import names
from mnist_operator.cache import ClusterState, ObjectCache
from mnist_operator.children.training import LABEL_TRAINING, OWNED_SELECTOR
from mnist_operator.listings import Listings

_KINDS = {
    (names.GROUP, names.PLURAL): names.KIND,
    ("ray.io", "rayclusters"): "RayCluster",
    ("ray.io", "rayjobs"): "RayJob",
}
_kopfs_list = fetching.fetch_objs


class NoMemories(inventory.ResourceMemories):
    """What kopf remembers of each object: nothing. There are no daemons, timers or indices that would use it."""

    async def recall(self, raw_body: Any, *, ephemeral: bool = False, **options: Any) -> inventory.ResourceMemory:
        """Return a new memory, and forget it."""
        return await super().recall(raw_body, ephemeral=True, **options)


class Watches:
    """Feeds the caches and the queue from watch events."""

    def __init__(
        self,
        state: ClusterState,
        queue: WorkQueue[Key],
        listings: Listings,
        watched: Callable[[str], None] = lambda kind: None,
    ) -> None:
        self._state = state
        self._queue = queue
        self._listings = listings
        self._watched = watched

    def register(self, registry: kopf.OperatorRegistry) -> None:
        """Watch trainings, and the RayClusters and RayJobs that carry our label."""
        kopf.on.event(names.GROUP, names.VERSION, names.PLURAL, registry=registry)(self._training)
        for plural, handler in (("rayclusters", self._cluster), ("rayjobs", self._job)):
            kopf.on.event("ray.io", "v1", plural, labels=OWNED_SELECTOR, registry=registry)(handler)
        # kopf has no setting for that. Its CRDs and namespaces it lists as ever.
        fetching.fetch_objs = self._begin

    async def _begin(
        self, *, settings: Any, resource: Any, namespace: Any, logger: Any
    ) -> AsyncIterator[tuple[Collection[Any], str]]:
        """Take the place of kopf's list: no objects, and the version that the watch is to begin with."""
        kind = _KINDS.get((resource.group, resource.plural))
        if kind is None:
            async for page in _kopfs_list(settings=settings, resource=resource, namespace=namespace, logger=logger):
                yield page
            return
        url = resource.get_url(namespace=namespace, params={"limit": "1"})
        answer = await kopf_api.get(url=url, settings=settings, logger=logger)
        self._listings.watch_begins(kind)
        yield [], answer["metadata"]["resourceVersion"]

    async def _training(self, event: kopf.RawEvent, **_: Any) -> None:
        obj = event["object"]
        self._watched(names.KIND)
        if self._store(self._state.trainings, event):
            self._queue.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))

    async def _cluster(self, event: kopf.RawEvent, **_: Any) -> None:
        self._watched("RayCluster")
        self._child(self._state.clusters, event)

    async def _job(self, event: kopf.RawEvent, **_: Any) -> None:
        self._watched("RayJob")
        self._child(self._state.jobs, event)

    def _child(self, cache: ObjectCache, event: kopf.RawEvent) -> None:
        metadata = event["object"]["metadata"]
        owner = (metadata.get("labels") or {}).get(LABEL_TRAINING)
        if self._store(cache, event) and owner:
            self._queue.add((metadata["namespace"], owner))

    @staticmethod
    def _store(cache: ObjectCache, event: kopf.RawEvent) -> bool:
        obj: Mapping[str, Any] = event["object"]
        metadata = obj["metadata"]
        if event["type"] == "DELETED":
            cache.remove(metadata["namespace"], metadata["name"], metadata.get("uid"))
            return True
        return cache.put(obj)


def kopf_settings(*, clusterwide: bool) -> kopf.OperatorSettings:
    """Return settings under which kopf only watches: it writes no annotations, no finalizers and no events.

    Args:
        clusterwide: whether CRDs and namespaces may be watched, which takes rights in the whole cluster.
    """
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = not clusterwide
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.persistence.finalizer = f"{names.GROUP}/unused"
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.watching.server_timeout = 600
    settings.watching.chunk_size = 500
    # An object's own task ends soon after its last event: thousands of them are memory that nothing uses.
    settings.queueing.idle_timeout = 1.0
    settings.watching.connect_timeout = 10
    settings.process.ultimate_exiting_timeout = 10
    return settings


class _NoDiffBase(kopf.DiffBaseStorage):
    """Remembers nothing: what changed is judged by the lifecycle, from the whole state."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> kopf.BodyEssence:
        return kopf.BodyEssence({})  # the default copies the whole object, for each event

    def fetch(self, *, body: kopf.Body) -> None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return None


class _NoProgress(kopf.ProgressStorage):
    """Remembers nothing: progress is in the training's status."""

    def fetch(self, *, key: str, body: kopf.Body) -> None:
        return None

    def store(self, *, key: str, record: kopf.ProgressRecord, body: kopf.Body, patch: kopf.Patch) -> None:
        return None

    def purge(self, *, key: str, body: kopf.Body, patch: kopf.Patch) -> None:
        return None

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        return None

    def clear(self, *, essence: kopf.BodyEssence) -> kopf.BodyEssence:
        return essence
