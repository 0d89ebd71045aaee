"""The project's Kubernetes client for tests that do not run in an event loop: one loop in a thread does it for all."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from mnist_kube.client import KubeApi
from mnist_kube.errors import ApiError

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


def stream(api: KubeApi, target: str) -> tuple[Iterator[bytes], Callable[[], None]]:
    """Open a stream, and return its chunks and what ends it. Returns when the server has begun to answer."""
    chunks: queue.Queue[bytes | BaseException | None] = queue.Queue()
    begun = threading.Event()

    async def follow() -> None:
        try:
            async with contextlib.aclosing(api.stream(target, idle_timeout=_SECONDS, opened=begun.set)) as coming:
                async for chunk in coming:
                    chunks.put(chunk)
            chunks.put(None)
        except ApiError as error:
            chunks.put(error)
        finally:
            begun.set()

    def each() -> Iterator[bytes]:
        while (item := chunks.get(timeout=_SECONDS)) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    stop = start(follow())
    assert begun.wait(_SECONDS), f"{target}: no answer"
    return each(), stop
