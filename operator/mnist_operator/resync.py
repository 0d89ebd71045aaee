"""The resync: what there is, brought into the caches, and which trainings are to be looked at for it.

At the start, and now and then, everything is listed. In between only what has changed since is read, by watches that
begin at the versions known from the time before and end at once: that costs what changed, and not what there is.
"""

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
from mnist_operator.cache import ClusterState, ObjectCache
from mnist_operator.children.training import LABEL_TRAINING, OWNED_SELECTOR

logger = logging.getLogger(__name__)
_KINDS = ((names.API_VERSION, names.KIND), ("ray.io/v1", "RayCluster"), ("ray.io/v1", "RayJob"))
# A watch sends at once what is behind its version; the server ends it after so many seconds.
_CATCH_UP = "1"
NAMES = tuple(kind for _, kind in _KINDS)


@dataclass(frozen=True)
class Resynced:
    """What a comparison found."""

    keys: set[Key]
    """Trainings to look at: not those that rest."""
    unknown: frozenset[str]
    """Kinds that the API server does not know: KubeRay is not installed."""


Versions = dict[tuple[str, str], str]
"""The version up to which each kind is known, by kind and namespace."""


async def resync(
    api: KubeApi,
    state: ClusterState,
    namespaces: tuple[str, ...],
    kinds: Collection[str] | None = None,
    versions: Versions | None = None,
) -> Resynced:
    """List trainings and their children into the caches, or only some `kinds` of them; notes the `versions`.

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
                async for obj in _each(api, api_version, kind, namespace, {} if versions is None else versions):
                    metadata = obj["metadata"]
                    seen.add((metadata["namespace"], metadata["name"]))
                    cache.put(obj)
                    keys |= _owner(kind, obj)
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


async def changes(api: KubeApi, state: ClusterState, namespaces: tuple[str, ...], versions: Versions) -> Resynced:
    """Bring what has changed since `versions` into the caches, and note the versions of now.

    Raises:
        ApiError: when the API server cannot be asked; 410 where it does not remember so far back.
    """
    wanted = [(api_version, kind, namespace) for api_version, kind in _KINDS for namespace in namespaces or ("",)]
    found = await asyncio.gather(*(_changed(api, state, *one, versions) for one in wanted))
    return Resynced({key for keys in found for key in keys if not state.rests(*key)}, frozenset())


async def _changed(
    api: KubeApi, state: ClusterState, api_version: str, kind: str, namespace: str, versions: Versions
) -> set[Key]:
    cache, keys = state.cache(kind), set[Key]()
    query = {**_selector(kind), "resourceVersion": versions[kind, namespace], "timeoutSeconds": _CATCH_UP}
    async with contextlib.aclosing(api.watch(resource_of(api_version, kind).path(namespace), query)) as events:
        async for event, obj in events:
            metadata = obj["metadata"]
            versions[kind, namespace] = metadata["resourceVersion"]
            if event == "BOOKMARK":
                continue
            if event == "DELETED":
                _forget(cache, metadata)
            else:
                cache.put(obj)
            keys |= _owner(kind, obj)
    return keys


def _forget(cache: ObjectCache, metadata: Object) -> None:
    """Take an object out of the cache, but not for good: it may only have lost the label that is selected by."""
    known = cache.get(metadata["namespace"], metadata["name"])
    if known is not None and known["metadata"]["uid"] == metadata.get("uid"):
        cache.remove(metadata["namespace"], metadata["name"])


def _owner(kind: str, obj: Object) -> set[Key]:
    """Return the training that an object is or belongs to, if any."""
    metadata = obj["metadata"]
    name = metadata["name"] if kind == names.KIND else (metadata.get("labels") or {}).get(LABEL_TRAINING)
    return {(metadata["namespace"], name)} if name else set()


def _selector(kind: str) -> dict[str, str]:
    if kind == names.KIND:
        return {}
    return {"labelSelector": ",".join(f"{key}={value}" for key, value in OWNED_SELECTOR.items())}


async def _each(
    api: KubeApi, api_version: str, kind: str, namespace: str, versions: Versions
) -> AsyncGenerator[Object, None]:
    """Yield all objects of a kind, page by page: no more than a page of whole objects is in memory."""
    path, begun = resource_of(api_version, kind).path(namespace), ""
    try:
        async with contextlib.aclosing(api.pages(path, _selector(kind))) as pages:
            async for page in pages:
                # The first page's: what changes while the others are read is read again.
                begun = begun or (page.get("metadata") or {}).get("resourceVersion", "0")
                versions[kind, namespace] = begun
                for obj in page["items"]:
                    yield obj
                await asyncio.sleep(0)  # whoever else waits for the loop comes first
    except ApiError as error:
        if error.status != 410 or not begun:
            raise
        # The pages took too long to read: the server has forgotten that version. What comes twice does no harm.
        for obj in (await api.list(path, _selector(kind)))["items"]:
            yield obj
