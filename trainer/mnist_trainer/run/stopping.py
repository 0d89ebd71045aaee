"""How a run is asked to stop, and how long it may take over its last words."""

from __future__ import annotations

import signal
from types import FrameType

from mnist_trainer.errors import FailureReason, TrainerError

REPORT_PATIENCE = 600.0
LAST_WORDS = 1.2  # a stopped Ray job is killed 3 s after SIGTERM


class StopRequestedError(TrainerError):
    """The process was asked to stop."""

    default_reason = FailureReason.INTERRUPTED


def raise_on_signals() -> None:
    """From now on the first SIGTERM or SIGINT raises in the main thread; later ones are ignored while it winds up."""

    def handle(number: int, _: FrameType | None) -> None:
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, signal.SIG_IGN)
        raise StopRequestedError(f"stopped by {signal.Signals(number).name}")

    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, handle)
