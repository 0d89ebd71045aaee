"""How long to keep trying, and how: the one loop in which an operation of the store is repeated.

By hand and not by `tenacity`: the deadline moves with a transfer that moves, requests are cut to what is left of it,
and refused credentials begin the operation anew.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mnist_trainer.errors import InvalidConfigError, StoreUnreachableError, TrainerError

T = TypeVar("T")

_RENEWING_BYTES = 1 << 20  # a try that moved this much shows a store that works, only badly
_MAX_RENEWALS = 3


@dataclass(frozen=True)
class RetryPolicy:
    """All times in seconds. `give_up_after` bounds one operation; a transfer that moves on may take longer.

    The waits between tries grow exponentially to `backoff_max`, with full jitter
    (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), so that many workers that lost the
    same store do not come back in step.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    give_up_after: float = 60.0
    backoff_base: float = 0.2
    backoff_max: float = 5.0

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> RetryPolicy:
        """Defaults, changed by MNIST_STORAGE_CONNECT_TIMEOUT, _READ_TIMEOUT and _GIVE_UP_AFTER (seconds)."""
        env = os.environ if env is None else env
        values: dict[str, float] = {}
        for field in ("connect_timeout", "read_timeout", "give_up_after"):
            name = f"MNIST_STORAGE_{field.upper()}"
            if text := env.get(name, "").strip():
                try:
                    values[field] = float(text)
                except ValueError:
                    values[field] = 0.0
                if not 0 < values[field] <= 86400:
                    raise InvalidConfigError(f"{name} must be a number of seconds greater than 0, not {text[:40]!r}")
        return cls(**values)

    def backoff(self, tries: int) -> float:
        """Seconds to wait after failed try number `tries` (from 1)."""
        return random.uniform(0.5, 1.0) * min(self.backoff_max, self.backoff_base * 2.0 ** min(tries - 1, 20))


class Attempts:
    """The clock of one operation: how often it was tried, and how long it may still go on."""

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy
        self.tries = 0
        self._renewals = 0
        self.started = time.monotonic()
        self._deadline = self.started + policy.give_up_after

    @property
    def remaining(self) -> float:
        """Seconds until the operation gives up."""
        return self._deadline - time.monotonic()

    def moved(self, count: int, kept: bool = True) -> None:
        """Tell that a try transferred `count` bytes before it failed: enough of them renew the patience.

        Where the next try begins anew (`kept` is false), that happens only a few times, or it might never end.
        """
        if count < _RENEWING_BYTES or (not kept and self._renewals >= _MAX_RENEWALS):
            return
        self._renewals += not kept
        self._deadline = time.monotonic() + self.policy.give_up_after


def retrying(
    attempt: Callable[[Attempts], T],
    policy: RetryPolicy,
    translate: Callable[[Exception], tuple[TrainerError, bool]],
    recovers: Callable[[TrainerError], bool] = lambda _: False,
) -> T:
    """Call `attempt` until it returns, fails for good, or `policy.give_up_after` is over.

    `translate` turns an exception into the error to raise and whether trying again can help. Of an error that cannot
    be helped by trying again, `recovers` is asked (three times at most) whether its cause is gone; then it begins anew.
    """
    clock = Attempts(policy)
    recoveries = 0
    while True:
        clock.tries += 1
        try:
            return attempt(clock)
        except Exception as exception:
            error, transient = translate(exception)
            wait = policy.backoff(clock.tries)
            if not transient:
                if recoveries == _MAX_RENEWALS or not recovers(error):
                    raise error from exception
                recoveries += 1
                clock = Attempts(policy)
                continue
            if clock.remaining <= wait:
                raise _gave_up(error, clock) from exception
            time.sleep(wait)


def _gave_up(error: TrainerError, clock: Attempts) -> TrainerError:
    seconds = time.monotonic() - clock.started
    tries = "1 try" if clock.tries == 1 else f"{clock.tries} tries"
    message = f"{error.message} (gave up after {tries} in {seconds:.0f} s)"
    return type(error)(message) if isinstance(error, StoreUnreachableError) else type(error)(message, error.reason)
