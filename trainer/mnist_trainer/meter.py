"""Counts and times the steps of an epoch, and says how training gets on: about twice a second, without slowing it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor

from mnist_trainer.events import FirstStep, Progress, Publish

_PROGRESS_SECONDS = 0.5


class Meter:
    """One for a whole run; `start` begins an epoch (from 1) of `steps` steps. Without `publish` it says nothing.

    `images` and `seconds` are those of the running epoch, the images over all workers.
    """

    def __init__(self, steps: int, workers: int, publish: Publish | None) -> None:
        self._steps = steps
        self._workers = workers
        self._publish = publish
        self._first_step_said = False

    def start(self, epoch: int) -> None:
        self._epoch = epoch
        self.images = 0
        self._step = self._said_step = 0
        self._data_seconds = 0.0
        self._began = self._said_at = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    @contextmanager
    def preparing_data(self) -> Iterator[None]:
        """Around whatever makes the next batch."""
        began = time.perf_counter()
        yield
        self._data_seconds += time.perf_counter() - began

    def step_done(self, images: int, loss: Tensor) -> None:
        """A step of `images` images over all workers is done; reading its `loss` waits for the device."""
        self._step += 1
        self.images += images
        if self._publish is None:
            return
        if not self._first_step_said:
            self._first_step_said = True
            self._publish(FirstStep(time.time()))
        now = time.perf_counter()
        if now - self._said_at >= _PROGRESS_SECONDS or self._step == self._steps:
            self._publish(self._progress(now, float(loss)))
            self._said_at, self._said_step, self._data_seconds = now, self._step, 0.0

    def _progress(self, now: float, loss: float) -> Progress:
        steps = self._step - self._said_step
        return Progress(
            epoch=self._epoch,
            step=self._step,
            steps=self._steps,
            loss=loss,
            images_per_second=self.images / (now - self._began),
            workers=self._workers,
            step_seconds=(now - self._said_at) / steps,
            data_seconds=self._data_seconds / steps,
        )
