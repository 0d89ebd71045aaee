"""Put back what somebody else changed in the spec of an owned RayCluster or RayJob."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from mnist_kube.client import JSON_PATCH, KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import resource_of
from mnist_operator.builders.context import Training
from mnist_operator.builders.metadata import ANNOTATION_HASH
from mnist_operator.lifecycle.decision import Event
from mnist_operator.reconcile.drift import lacks, put_back
from mnist_operator.reconcile.recorder import EventRecorder
from mnist_operator.reconcile.state import DIGEST, ClusterState

Object = dict[str, Any]
logger = logging.getLogger(__name__)
_RAY = "ray.io/v1"
_PAUSE = 5.0
_REMEMBERED = 20_000


class Restorer:
    """Compares what the watches show with what was made. A child that nobody has changed costs no request."""

    def __init__(
        self,
        api: KubeApi,
        state: ClusterState,
        recorder: EventRecorder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._state = state
        self._recorder = recorder
        self._clock = clock
        self._as_made: dict[str, str] = {}
        self._restored: dict[str, float] = {}

    def made(self, live: Object) -> None:
        """Remember a child as the API server answered when it was made."""
        cached = self._state.cache(live["kind"]).get(live["metadata"]["namespace"], live["metadata"]["name"])
        if cached is not None:
            self._remember(cached)

    async def restore(self, training: Training, kind: str, name: str, wish: Callable[[], Object]) -> bool:
        """Put a child's spec back if it was changed. Return whether it was.

        A child made before this process began is compared with `wish` once, if its spec was ever changed; a spec of the
        training that has changed since the child was made leaves nothing to compare with.

        Raises:
            ApiError: when the API server cannot be asked.
        """
        cached = self._state.cache(kind).get(training.namespace, name)
        if cached is None or cached["metadata"].get("deletionTimestamp"):
            return False
        uid, digest = cached["metadata"]["uid"], cached["spec"][DIGEST]
        known = self._as_made.get(uid)
        if known == digest or self._clock() - self._restored.get(uid, -_PAUSE) < _PAUSE:
            return False
        if known is None and cached["metadata"].get("generation") == 1:
            self._remember(cached)
            return False
        wished = wish()
        if (cached["metadata"].get("annotations") or {}).get(ANNOTATION_HASH) != _hash(wished):
            self._remember(cached)
            return False
        return await self._put_back(training, cached, wished, sure=known is not None)

    async def _put_back(self, training: Training, cached: Object, wished: Object, *, sure: bool) -> bool:
        kind, metadata = wished["kind"], cached["metadata"]
        path = resource_of(_RAY, kind).path(training.namespace, metadata["name"])
        try:
            live = await self._api.get(path)
            if not sure and not lacks(put_back(wished["spec"], live["spec"]), live["spec"]):
                self._remember(cached)
                return False
            patch = [
                {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
                {"op": "replace", "path": "/spec", "value": put_back(wished["spec"], live["spec"])},
            ]
            answer = await self._api.patch(path, patch, JSON_PATCH)
        except ApiError as error:
            if error.not_found or error.status == 422:  # gone, or another of that name: look again
                return False
            raise
        cache = self._state.cache(kind)
        cache.put(answer)
        self._remember(cache.get(training.namespace, metadata["name"]) or cached)
        self._restored[metadata["uid"]] = self._clock()
        message = f"The spec of {kind} {metadata['name']} was changed by somebody else; it was put back"
        logger.warning("%s/%s: %s", training.namespace, training.name, message)
        await self._recorder.record(training, "", Event("DriftCorrected", message, warning=True))
        return True

    def _remember(self, cached: Object) -> None:
        self._as_made[cached["metadata"]["uid"]] = cached["spec"][DIGEST]
        for remembered in (self._as_made, self._restored):
            while len(remembered) > _REMEMBERED:
                remembered.pop(next(iter(remembered)))


def _hash(manifest: Object) -> str:
    return str(manifest["metadata"]["annotations"][ANNOTATION_HASH])
