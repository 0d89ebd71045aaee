"""Time as the API writes it: RFC 3339 in UTC, whole seconds for `metav1.Time`, microseconds for `metav1.MicroTime`."""

from __future__ import annotations

import time
from datetime import UTC, datetime

_cached: tuple[int, str] = (0, "")


def now() -> str:
    """Return the current time as `metav1.Time`; formatting is shared within a second."""
    global _cached
    second = int(time.time())
    if _cached[0] != second:
        _cached = (second, datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return _cached[1]


def after(seconds: float) -> str:
    """Return the time `seconds` from now as `metav1.Time`."""
    return datetime.fromtimestamp(int(time.time() + seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Return the aware datetime of an RFC 3339 text.

    Raises:
        ValueError: the text is not a time.
    """
    return datetime.fromisoformat(text)
