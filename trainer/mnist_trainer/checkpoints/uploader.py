"""Saves checkpoints beside the training."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from mnist_trainer.errors import TrainerError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """An encoded state and what is known about it."""

    epoch: int
    accuracy: float
    state: bytes


class CheckpointUploader:
    """One thread that saves the latest snapshot it was given; one that a slow store has not let go yet is replaced.

    A failed upload is logged and does not stop the training: the release at the end needs the store anyway, and says
    what is wrong with it.
    """

    def __init__(self, save: Callable[[int, float, bytes], None]) -> None:
        self._save = save
        self._condition = threading.Condition()
        self._waiting: Snapshot | None = None
        self._busy = False
        self._closed = False
        self.saved_epoch = 0
        self.seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="checkpoint-uploader", daemon=True)
        self._thread.start()

    def submit(self, snapshot: Snapshot) -> None:
        """Hand over a snapshot; returns at once."""
        with self._condition:
            self._waiting = snapshot
            self._condition.notify_all()

    def close(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for what was submitted; whether all of it is saved (or has failed) by then."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()
            return self._condition.wait_for(lambda: not self._busy and self._waiting is None, timeout)

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._waiting is not None or self._closed)
                if self._waiting is None:
                    return
                snapshot, self._waiting, self._busy = self._waiting, None, True
            began = time.perf_counter()
            try:
                self._save(snapshot.epoch, snapshot.accuracy, snapshot.state)
                self.saved_epoch = snapshot.epoch
            except TrainerError as error:
                logger.warning("the checkpoint of epoch %d is not saved: %s", snapshot.epoch, error.message)
            finally:
                with self._condition:
                    self.seconds += time.perf_counter() - began
                    self._busy = False
                    self._condition.notify_all()
