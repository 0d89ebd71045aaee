"""The resync: what there is, listed into the caches, and which trainings are to be looked at for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError
from mnist_kube.objects import Key, Object
from mnist_kube.resources import resource_of
from mnist_operator.api import names
from mnist_operator.cache import ClusterState
from mnist_operator.children.training import LABEL_TRAINING, OWNED_SELECTOR

logger = logging.getLogger(__name__)
_KINDS = ((names.API_VERSION, names.KIND), ("ray.io/v1", "RayCluster"), ("ray.io/v1", "RayJob"))
NAMES = tuple(kind for _, kind in _KINDS)


@dataclass(frozen=True)
class Resynced:
    """What a comparison found."""

    keys: set[Key]
    """Trainings to look at: not those that rest."""
    unknown: frozenset[str]
    """Kinds that the API server does not know: KubeRay is not installed."""


async def resync(
    api: KubeApi, state: ClusterState, namespaces: tuple[str, ...], kinds: Collection[str] | None = None
) -> Resynced:
    """List trainings and their children into the caches, or only some `kinds` of them.

    Raises:
        ApiError: when the API server cannot be asked. A kind that it does not know counts as empty.
    """
    keys: set[Key] = set()
    unknown: set[str] = set()
    for api_version, kind in _KINDS:
        if kinds is not None and kind not in kinds:
            continue
        cache = state.cache(kind)
        before = cache.uids()
        seen: set[Key] = set()
        for namespace in namespaces or ("",):
            try:
                async for obj in _each(api, api_version, kind, namespace):
                    metadata = obj["metadata"]
                    key = (metadata["namespace"], metadata["name"])
                    seen.add(key)
                    cache.put(obj)
                    owner = key[1] if kind == names.KIND else (metadata.get("labels") or {}).get(LABEL_TRAINING)
                    if owner:
                        keys.add((key[0], owner))
            except ApiError as error:
                if not error.not_found:
                    raise
                logger.warning("the API server does not know %s (%s) yet", kind, api_version)
                unknown.add(kind)
        for namespace, name in before.keys() - seen:
            gone = cache.get(namespace, name)
            # A new one of that name may have come since the list was made: a watch or our own write brought it.
            if gone is not None and gone["metadata"]["uid"] == before[namespace, name]:
                cache.remove(namespace, name)
            owner = ((gone or {}).get("metadata", {}).get("labels") or {}).get(LABEL_TRAINING)
            keys.add((namespace, owner or name))
    return Resynced({key for key in keys if not state.rests(*key)}, frozenset(unknown))


async def _each(api: KubeApi, api_version: str, kind: str, namespace: str) -> AsyncGenerator[Object, None]:
    """Yield all objects of a kind, page by page: no more than a page of whole objects is in memory."""
    query = {}
    if kind != names.KIND:
        query["labelSelector"] = ",".join(f"{key}={value}" for key, value in OWNED_SELECTOR.items())
    path, begun = resource_of(api_version, kind).path(namespace), False
    try:
        async with contextlib.aclosing(api.pages(path, query)) as pages:
            async for page in pages:
                for obj in page["items"]:
                    yield obj
                begun = True
                await asyncio.sleep(0)  # whoever else waits for the loop comes first
    except ApiError as error:
        if error.status != 410 or not begun:
            raise
        # The pages took too long to read: the server has forgotten that version. What comes twice does no harm.
        for obj in (await api.list(path, query))["items"]:
            yield obj
