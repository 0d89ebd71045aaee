"""A control loop: keys in, each processed once however often it was asked for, retried where it failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)

_RETRY_SECONDS = 0.5
_BATCH = 200


class ControlLoop(Generic[K]):
    """Runs `process(key)` on the event loop for every key added; requests are served in between batches."""

    def __init__(self, name: str, process: Callable[[K], None]) -> None:
        self.name = name
        self._process = process
        self._keys: dict[K, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def add(self, key: K) -> None:
        """Ask for a key to be processed."""
        self._keys[key] = None
        self._wake.set()

    def start(self) -> None:
        """Start processing."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Stop processing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def drain(self) -> None:
        """Process what is due now, for tests and for what must be done before serving."""
        while self._keys:
            self._step()

    def _step(self) -> None:
        key = next(iter(self._keys))
        del self._keys[key]
        self._process(key)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            done = 0
            while self._keys:
                key = next(iter(self._keys))
                try:
                    self._step()
                except Exception:
                    log.exception("%s: %s failed, and is tried again", self.name, key)
                    asyncio.get_running_loop().call_later(_RETRY_SECONDS, self.add, key)
                done += 1
                if done % _BATCH == 0:
                    await asyncio.sleep(0)
