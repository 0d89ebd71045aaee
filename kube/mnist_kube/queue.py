"""A work queue: keys wait once however often they are added, and a key is worked on by one worker at a time.

A key that is added while it is being worked on comes again when that work is done, so no change is missed and nothing
is done twice at once. What fails comes again later and later. After the one in Kubernetes' client-go, which no Python
library has; kopf keeps a queue for each object instead, and so cannot bound how many are worked on together.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from mnist_kube.pacing import backoff

logger = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)
_JITTER = 0.25


class WorkQueue(Generic[K]):
    """De-duplicating, delaying, rate-limiting queue.

    Args:
        base_delay: seconds until the first retry.
        max_delay: seconds until a retry at most, jitter apart.
        clock: a monotonic clock.
    """

    def __init__(
        self, base_delay: float = 0.2, max_delay: float = 120.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._base = base_delay
        self._max = max_delay
        self._clock = clock
        self._ready: deque[K] = deque()
        self._waiting: dict[K, float] = {}
        self._working: set[K] = set()
        self._paused = False
        self._idle = asyncio.Event()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def oldest(self) -> float:
        """Return the seconds that the first key has waited; 0 when none waits."""
        return next((self._clock() - since for since in self._waiting.values()), 0.0)

    def add(self, key: K) -> None:
        """Put `key` on the queue, now."""
        self._cancel_timer(key)
        if key in self._waiting:
            return
        self._waiting[key] = self._clock()
        if key not in self._working:
            self._ready.append(key)
            self._wake.set()

    def add_after(self, key: K, delay: float) -> None:
        """Put `key` on the queue after `delay` seconds; an earlier time that is set already stands."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + delay:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(delay, self._due, key)

    def retry(self, key: K, at_least: float = 0.0, at_most: float = float("inf"), *, hold: bool = False) -> float:
        """Put `key` back after a failure: later each time, with jitter. Return the delay in seconds.

        With `hold`, what was added while it was being worked on waits for so long, too.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = max(min(backoff(failures, self._base, self._max, _JITTER), at_most), at_least)
        if hold and key in self._working:
            self._waiting.pop(key, None)
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """Start the delays of `key` anew, after a success."""
        self._failures.pop(key, None)

    async def get(self) -> K:
        """Wait for the next key; it counts as being worked on until `done`."""
        while self._paused or not self._ready:
            self._wake.clear()
            await self._wake.wait()
        key = self._ready.popleft()
        self._waiting.pop(key, None)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """End the work on `key`; it comes again at once if it was added meanwhile."""
        self._working.discard(key)
        if key in self._waiting:
            self._ready.append(key)
            self._wake.set()
        if not self._working:
            self._idle.set()

    async def work(self, name: str, workers: int, reconcile: Callable[[K], Awaitable[float | None]]) -> None:
        """Call `reconcile` for each key, with so many workers, until cancelled.

        It returns the seconds after which it wants to be called again, or None; when it raises, the key is retried.
        `name` is for the log.
        """

        async def one_after_the_other() -> None:
            while True:
                await self._one(name, await self.get(), reconcile)

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(one_after_the_other())

    async def drain(self) -> None:
        """Give out no key from now on, and wait until nothing is being worked on."""
        self._paused = True
        while self._working:
            self._idle.clear()
            await self._idle.wait()

    def close(self) -> None:
        """Cancel what is planned."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    async def _one(self, name: str, key: K, reconcile: Callable[[K], Awaitable[float | None]]) -> None:
        try:
            again = await reconcile(key)
        except Exception as error:
            # Held: a reconcile that fails after a write of its own would else call itself again at once.
            delay = self.retry(key, hold=True)
            logger.warning("%s %s: %r; again in %.1f s", name, key, error, delay)
            logger.debug("traceback", exc_info=error)
        else:
            self.forget(key)
            if again is not None:
                self.add_after(key, again)
        finally:
            self.done(key)

    def _due(self, key: K) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
