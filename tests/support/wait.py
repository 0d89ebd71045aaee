"""Wait for a condition with a deadline, never for luck."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(what: Callable[[], T], description: str, seconds: float = 20.0, every: float = 0.05) -> T:
    """Return the first true value of `what()`.

    Raises:
        AssertionError: after `seconds`, with the last value.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {description}; last: {value!r}")
        time.sleep(every)
