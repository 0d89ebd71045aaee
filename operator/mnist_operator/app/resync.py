"""Compare the caches with the API server: at the start, and from time to time against events missed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.resources import resource_of
from mnist_operator.api import names
from mnist_operator.builders.metadata import LABEL_TRAINING, OWNED_SELECTOR
from mnist_operator.reconcile.cache import Key
from mnist_operator.reconcile.state import ClusterState

logger = logging.getLogger(__name__)
_KINDS = ((names.API_VERSION, names.KIND), ("ray.io/v1", "RayCluster"), ("ray.io/v1", "RayJob"))


@dataclass(frozen=True)
class Resynced:
    """What a comparison found."""

    keys: set[Key]
    """Trainings to look at."""
    unknown: frozenset[str]
    """Kinds that the API server does not know: KubeRay is not installed."""


async def resync(api: KubeApi, state: ClusterState, namespaces: tuple[str, ...]) -> Resynced:
    """List trainings and their children into the caches.

    Raises:
        ApiError: when the API server cannot be asked. A kind that it does not know counts as empty.
    """
    keys: set[Key] = set()
    unknown: set[str] = set()
    for api_version, kind in _KINDS:
        cache = state.cache(kind)
        before = set(cache.keys())
        seen: set[Key] = set()
        for namespace in namespaces or ("",):
            found = await _list(api, api_version, kind, namespace)
            if found is None:
                unknown.add(kind)
            for obj in found or []:
                metadata = obj["metadata"]
                key = (metadata["namespace"], metadata["name"])
                seen.add(key)
                cache.put(obj)
                owner = key[1] if kind == names.KIND else (metadata.get("labels") or {}).get(LABEL_TRAINING)
                if owner:
                    keys.add((key[0], owner))
        for namespace, name in before - seen:
            gone = cache.get(namespace, name)
            cache.remove(namespace, name)
            owner = ((gone or {}).get("metadata", {}).get("labels") or {}).get(LABEL_TRAINING)
            keys.add((namespace, owner or name))
    return Resynced(keys, frozenset(unknown))


async def _list(api: KubeApi, api_version: str, kind: str, namespace: str) -> list[dict[str, Any]] | None:
    """Return all objects of a kind, or None when the API server does not know the kind."""
    query = {}
    if kind != names.KIND:
        query["labelSelector"] = ",".join(f"{key}={value}" for key, value in OWNED_SELECTOR.items())
    try:
        found = await api.list(resource_of(api_version, kind).path(namespace), query)
    except ApiError as error:
        if error.not_found:
            logger.warning("the API server does not know %s (%s) yet", kind, api_version)
            return None
        raise
    items: list[dict[str, Any]] = found["items"]
    return items
