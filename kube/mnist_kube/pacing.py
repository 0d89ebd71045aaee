"""How often, and when again: a limit on requests, and delays that grow with failures."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

_LONGEST_PAUSE = 30.0


def backoff(failures: int, first: float, last: float, jitter: float = 0.0) -> float:
    """Return the seconds to wait after so many failures before this one: `first`, twice that, …, `last`.

    `jitter` is the share by which it may be more or less, so that what failed together does not come back together.
    """
    return min(last, first * 2.0 ** min(failures, 32)) * random.uniform(1.0 - jitter, 1.0 + jitter)


class Backoff:
    """Delays that grow from one failure to the next, until a success."""

    def __init__(self, first: float, last: float, jitter: float = 0.0) -> None:
        self._first, self._last, self._jitter = first, last, jitter
        self._failures = 0

    def next(self) -> float:
        """Count a failure; returns the seconds to wait."""
        delay = backoff(self._failures, self._first, self._last, self._jitter)
        self._failures += 1
        return delay

    def reset(self) -> None:
        """Begin anew after a success."""
        self._failures = 0


class Throttle:
    """A token bucket, and a pause that holds for everyone once the server has said `Retry-After`.

    The server's own fairness (API Priority and Fairness) is what usually limits clients, so the rate is off unless set.

    Args:
        per_second: requests a second on average; 0 sets no rate.
        burst: requests that may go at once after a time of rest.
        clock: a monotonic clock.
        sleep: what waits.
    """

    def __init__(
        self,
        per_second: float = 0.0,
        burst: int = 50,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 1.0 / per_second if per_second > 0 else 0.0
        self._credit = self._interval * max(0, burst - 1)
        self._clock = clock
        self._sleep = sleep
        self._next = float("-inf")
        self._paused_until = float("-inf")

    async def wait(self) -> None:
        """Wait for this request's turn."""
        now = self._clock()
        turn = now
        if self._interval:
            # The bucket as a time: when the next token is due, at most so many tokens in the past.
            self._next = max(self._next, now - self._credit)
            turn, self._next = self._next, self._next + self._interval
        delay = max(turn, self._paused_until) - now
        if delay > 0:
            await self._sleep(delay)

    def pause(self, seconds: float) -> None:
        """Hold all requests back for `seconds`, at most half a minute."""
        self._paused_until = max(self._paused_until, self._clock() + min(seconds, _LONGEST_PAUSE))
