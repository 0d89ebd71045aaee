"""A queue of keys to reconcile: a key waits in it once, is worked on by one worker at a time, and may be delayed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from mnist_local.kuberay.json_types import Key

_FIRST_BACKOFF_S = 0.1
_LAST_BACKOFF_S = 5.0

log = logging.getLogger(__name__)

Reconcile = Callable[[Key], Awaitable[float | None]]
"""Reconciles one key and returns the seconds after which it wants to be called again, or None."""


class WorkQueue:
    """Level-triggered: what changes while a key is being worked on leads to one more pass, not to several."""

    def __init__(self, name: str, reconcile: Reconcile) -> None:
        """`name` is for the log."""
        self._name = name
        self._reconcile = reconcile
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._waiting: set[Key] = set()
        self._working: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Have the key reconciled as soon as possible."""
        self._cancel_timer(key)
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: Key, delay_s: float) -> None:
        """Have the key reconciled after a delay, unless something asks for it earlier."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer is not None and timer.when() <= loop.time() + delay_s:
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(delay_s, self.add, key)

    async def run(self, workers: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._working.add(key)
            delay: float | None
            try:
                delay = await self._reconcile(key)
                self._failures.pop(key, None)
            except Exception as error:
                failures = self._failures.get(key, 0)
                self._failures[key] = failures + 1
                delay = min(_FIRST_BACKOFF_S * 2**failures, _LAST_BACKOFF_S)
                log.warning("%s %s/%s: %r; again in %.1f s", self._name, *key, error, delay)
                log.debug("traceback", exc_info=error)
            finally:
                self._working.discard(key)
            if key in self._again:
                self._again.discard(key)
                if key in self._failures:
                    self.add_after(key, delay or 0.0)
                else:
                    self.add(key)
            elif delay is not None:
                self.add_after(key, delay)

    def _cancel_timer(self, key: Key) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()
