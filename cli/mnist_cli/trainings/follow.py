"""Follow a training until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from mnist_cli.trainings.objects import TRAININGS
from mnist_cli.trainings.progress import progress_of
from mnist_local.kuberay.kubeapi import ApiError, KubeApi, Resource

_IDLE_S = 90.0  # an API server sends a bookmark each minute
_AGAIN_S = 0.5
_PASSING = (408, 409, 410, 429)


async def until_final(
    api: KubeApi, namespace: str, name: str, seen: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Call `seen` with every state of a training; returns the last one, Succeeded or Failed.

    Raises LookupError when it is deleted meanwhile.
    """
    async for event, training in changes(api, TRAININGS, namespace, name):
        if event == "DELETED":
            raise LookupError(f"{name} was deleted")
        seen(training)
        if progress_of(training).is_final:
            return training
    raise AssertionError("a watch without end")


async def changes(
    api: KubeApi, resource: Resource, namespace: str | None, name: str | None = None
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """All objects (or the one of a name), then every change of them, through lost connections.

    Yields (ADDED, MODIFIED or DELETED, object).
    A namespace of None means all. Raises ApiError where asking again would not help (forbidden, not served).
    """
    params = {"fieldSelector": f"metadata.name={name}"} if name else {}
    known: dict[str, dict[str, Any]] = {}
    while True:
        try:
            found = await api.list(resource, namespace, params)
            there = {item["metadata"]["uid"]: item for item in found.get("items") or []}
            for uid in known.keys() - there.keys():  # while nobody watched
                yield "DELETED", known[uid]
            known = there
            for item in there.values():
                yield "ADDED", item
            version = found["metadata"]["resourceVersion"]
            while True:
                query = {**params, "resourceVersion": version}
                async for event in api.watch(resource, namespace, query, _IDLE_S):
                    kind, item = event["type"], event["object"]
                    if kind == "ERROR":
                        raise ApiError(int(item.get("code") or 500), item)
                    version = item["metadata"]["resourceVersion"]
                    if kind == "BOOKMARK":
                        continue
                    if kind == "DELETED":
                        known.pop(item["metadata"]["uid"], None)
                    else:
                        known[item["metadata"]["uid"]] = item
                    yield kind, item
        except ApiError as error:
            if 400 <= error.status < 500 and error.status not in _PASSING:
                raise
            await asyncio.sleep(_AGAIN_S)
        except (aiohttp.ClientError, TimeoutError, OSError):
            await asyncio.sleep(_AGAIN_S)
