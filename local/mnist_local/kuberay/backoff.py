"""The pause before something that failed is started again, as a kubelet lets it grow."""

import time
from collections.abc import Callable

_FIRST_S = 10.0
_LAST_S = 300.0
_FORGOTTEN_AFTER_S = 600.0


class Backoff:
    """One container, or one replica of a RayCluster: again at once, then after 10 s, 20 s, 40 s … 5 min.

    Ten minutes of running make it begin anew.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self._clock = clock
        self._until = 0.0
        self.failures = 0

    def failed(self, ran_s: float) -> float:
        """Take in an end after `ran_s` seconds of running; returns the seconds until the next start."""
        if ran_s >= _FORGOTTEN_AFTER_S:
            self.failures = 0
        delay = min(_FIRST_S * 2.0 ** (self.failures - 1), _LAST_S) if self.failures else 0.0
        self.failures += 1
        self._until = self._clock() + delay
        return delay

    @property
    def remaining_s(self) -> float:
        """Seconds until the next start may be made."""
        return max(0.0, self._until - self._clock())
