"""Wait for a condition with a deadline, never for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(
    what: Callable[[], T], description: str | Callable[[], str], seconds: float = 60.0, every: float = 0.05
) -> T:
    """Return the first true value of `what()`.

    The time is that of a busy machine; it costs nothing when all is well. A description that tells of the state at the
    end is a function.

    Raises:
        AssertionError: after `seconds`, with the last value.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            told = description if isinstance(description, str) else description()
            raise AssertionError(f"waited {seconds} s for {told}; last: {value!r}")
        time.sleep(every)
