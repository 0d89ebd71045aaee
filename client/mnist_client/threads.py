"""Blocking work beside an event loop that never holds up the loop's end."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Call `work` in a thread of its own.

    Unlike asyncio.to_thread, nobody waits for the thread after a cancellation: it may be trying to reach a store that
    is gone for a minute yet.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(method: Callable[[Any], None], value: object) -> None:
        def unless_cancelled() -> None:
            if not future.done():
                method(value)

        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(unless_cancelled)

    def call() -> None:
        try:
            result = work(*arguments)
        except BaseException as error:  # noqa: BLE001 - handed on
            settle(future.set_exception, error)
        else:
            settle(future.set_result, result)

    threading.Thread(target=call, daemon=True).start()
    return await future
