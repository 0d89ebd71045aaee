"""Watches: every change of objects, as the API server tells of it, through lost connections and restarts of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TypeVar

from mnist_kube.client import KubeApi
from mnist_kube.informer import Change, Informer
from mnist_kube.resources import Resource

T = TypeVar("T")
U = TypeVar("U")

_IDLE_S = 90.0  # an API server sends a bookmark each minute


def changes(
    api: KubeApi,
    resource: Resource,
    namespace: str | None,
    name: str | None = None,
    *,
    labels: str = "",
) -> AsyncGenerator[Change, None]:
    """Yield all objects (or the one of a name, or those with these labels), then every change of them, without end.

    A namespace of None means all. A version that is too old (410) is listed anew, a lost connection is made again,
    later and later up to a second. Raises ApiError where asking again would not help (forbidden, not served).
    """
    query = {"fieldSelector": f"metadata.name={name}"} if name else {}
    query |= {"labelSelector": labels} if labels else {}
    return Informer(api, resource, namespace, query, _IDLE_S).changes(give_up=True)


async def beside(main: AsyncGenerator[T, None], other: AsyncGenerator[U, None]) -> AsyncGenerator[T | U, None]:
    """Yield what both yield, as it comes, until `main` ends; what goes wrong with `other` ends that one alone."""
    queue: asyncio.Queue[T | U] = asyncio.Queue()

    async def pass_on(items: AsyncGenerator[T, None] | AsyncGenerator[U, None]) -> None:
        async with contextlib.aclosing(items):
            async for item in items:
                await queue.put(item)

    leading, following = asyncio.create_task(pass_on(main)), asyncio.create_task(pass_on(other))
    getting: asyncio.Task[T | U] | None = None
    try:
        while not (leading.done() and queue.empty()):
            getting = asyncio.create_task(queue.get())
            await asyncio.wait([getting, leading], return_when=asyncio.FIRST_COMPLETED)
            if getting.done():
                yield getting.result()
            else:
                getting.cancel()
        leading.result()
    finally:
        running = [task for task in (leading, following, getting) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
