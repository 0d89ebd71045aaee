"""The project's Kubernetes client for tests that do not run in an event loop: one loop in a thread does it for all."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
_SECONDS = 60.0


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="kube").start()
    return loop


def wait(work: Coroutine[Any, Any, T]) -> T:
    """Do `work` in the loop's thread, and return what comes of it."""
    return asyncio.run_coroutine_threadsafe(work, _loop()).result(_SECONDS)


def make(what: Callable[[], T]) -> T:
    """Call `what` in the loop's thread: for objects that are made inside a running loop."""

    async def made() -> T:
        return what()

    return wait(made())


def start(work: Coroutine[Any, Any, None]) -> Callable[[], None]:
    """Begin `work` in the loop's thread; returns what ends it. Its callbacks must not call back into this module."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())

    def stop() -> None:
        future.cancel()

    return stop


def each(items: AsyncIterator[T]) -> Iterator[T]:
    """Yield what comes, as it comes."""

    async def following() -> list[T]:
        return [item async for item in _one(items)]

    while found := wait(following()):
        yield from found


async def _one(items: AsyncIterator[T]) -> AsyncIterator[T]:
    try:
        yield await anext(items)
    except StopAsyncIteration:
        return
