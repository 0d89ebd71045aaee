"""From a training's events to the fields of ``status.training``."""

from __future__ import annotations

import time

from mnist_trainer.events import EpochFinished, Event, Progress, WorkersLost, WorkersNotStarted, WorkersReady
from mnist_trainer.kube.reporter import Reporter, TrainingState, timestamp
from mnist_trainer.release.build import WorkerLoss


class StatusUpdates:
    """Reports a training of `epochs` epochs over `images` training images; remembers the workers that were lost.

    `elastic` tells whether it also goes on with fewer workers.
    """

    def __init__(self, reporter: Reporter, epochs: int, images: int, elastic: bool = False) -> None:
        self._reporter = reporter
        self._epochs = epochs
        self._images = images
        self._elastic = elastic
        self._finished_epochs = 0
        self.lost_workers: list[WorkerLoss] = []

    def observe(self, event: Event | None) -> None:
        """Report an event. Raises ReplacedError when this process has been replaced.

        It learns so in silence, too (None): a process whose workers find no place must end as well.
        """
        self._reporter.check()
        if isinstance(event, WorkersReady):
            self._finished_epochs = event.resumed_epoch
            self._reporter.update(
                TrainingState.TRAINING,
                workers=event.workers,
                epoch=event.resumed_epoch,
                progressPercent=int(100 * event.resumed_epoch / self._epochs),
            )
        elif isinstance(event, Progress):
            self._within_epoch(event)
        elif isinstance(event, EpochFinished):
            self._epoch_finished(event)
        elif isinstance(event, WorkersLost):
            self._workers_lost(event)
        elif isinstance(event, WorkersNotStarted):
            self._reporter.update(workers=0)

    def _within_epoch(self, event: Progress) -> None:
        done = (event.epoch - 1 + event.step / event.steps) / self._epochs
        self._reporter.update(
            progressPercent=int(100 * done),
            loss=event.loss,
            imagesPerSecond=round(event.images_per_second, 1),
            etaSeconds=int((1 - done) * self._epochs * self._images / max(event.images_per_second, 1e-9)),
        )

    def _epoch_finished(self, event: EpochFinished) -> None:
        record = event.record
        self._finished_epochs = record.epoch
        self._reporter.update(
            epoch=record.epoch,
            progressPercent=int(100 * record.epoch / self._epochs),
            loss=record.train_loss,
            accuracy=record.accuracy,
            imagesPerSecond=round(record.images_per_second, 1),
            etaSeconds=int((self._epochs - record.epoch) * (record.train_seconds + record.evaluation_seconds)),
        )

    def _workers_lost(self, event: WorkersLost) -> None:
        """Each lost worker counts; the status names the first, the one that the others were lost with."""
        now, epoch = time.time(), self._finished_epochs + 1
        self.lost_workers += [WorkerLoss(worker.host, epoch, now, worker.reason) for worker in event.workers]
        last = {
            "name": event.workers[0].host,
            "epoch": epoch,
            "time": timestamp(now),
            "message": self._what_comes_next(),
        }
        self._reporter.update(workers=0, lostWorkers=len(self.lost_workers), lastLostWorker=last)

    def _what_comes_next(self) -> str:
        done = self._finished_epochs
        goes_on = f"Training goes on from the end of epoch {done}" if done else "Training starts again at epoch 1"
        return f"{goes_on} once a worker replaces it{', or with fewer workers' if self._elastic else ''}."
