"""Waiting longer after each failure in a row."""

from __future__ import annotations


class Backoff:
    """Waits in seconds: `first`, then twice the one before, at most `maximum`; a success starts anew with `reset`."""

    def __init__(self, first: float, maximum: float) -> None:
        self._first, self._maximum = first, maximum
        self._following = first

    def next(self) -> float:
        """How long to wait after one more failure."""
        wait, self._following = self._following, min(self._maximum, self._following * 2)
        return wait

    def reset(self) -> None:
        """Something succeeded."""
        self._following = self._first
