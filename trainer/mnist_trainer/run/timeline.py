"""When a run reached its stages, in Unix time; the first time counts."""

from __future__ import annotations

import time


class Timeline:
    """Stages by name. `benchmarks` and ``metrics.json`` read where the time went from it."""

    def __init__(self) -> None:
        self._marks: dict[str, float] = {}

    def mark(self, stage: str, at: float | None = None) -> None:
        """Stage reached, now or at the time given."""
        self._marks.setdefault(stage, time.time() if at is None else at)

    def as_dict(self) -> dict[str, float]:
        """A copy of all marks."""
        return dict(self._marks)
