"""The event loop of a command: a signal ends it in order, and blocking work beside it never holds up its end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class InterruptedRunError(Exception):
    """A signal ended the run; `number` is which, `exit_code` what a shell expects of such an end."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number
        self.exit_code = 128 + number


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run `main`, cancelling it once at the first signal; later ones change nothing.

    Raises InterruptedRunError when it ended for that.
    """
    received: list[int] = []

    async def guarded() -> int:
        task = asyncio.ensure_future(main)
        loop = asyncio.get_running_loop()

        def on_signal(number: int) -> None:
            if not received:
                task.cancel()
            received.append(number)

        for number in _SIGNALS:
            loop.add_signal_handler(number, on_signal, number)
        try:
            return await task
        except asyncio.CancelledError:
            raise InterruptedRunError(received[0] if received else signal.SIGINT) from None

    return asyncio.run(guarded())


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
