"""The event loop of a command: a signal ends it in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

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
