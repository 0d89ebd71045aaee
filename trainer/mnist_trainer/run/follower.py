"""Passes on what the workers say: to the person watching, to the training's status, and to the checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from mnist_trainer.checkpoints.uploader import CheckpointUploader, Snapshot
from mnist_trainer.errors import FailureReason, TrainerError
from mnist_trainer.kube.reporter import Reporter
from mnist_trainer.kube.status import TrainingState, timestamp
from mnist_trainer.raytrain.messages import (
    EpochFinished,
    Finished,
    FirstStep,
    Message,
    Progressed,
    WorkersLost,
    WorkersNotStarted,
    WorkersReady,
)
from mnist_trainer.release.build import WorkerLoss
from mnist_trainer.run.console import Console
from mnist_trainer.run.timeline import Timeline


class Follower:
    """Follows a training of `epochs` epochs over `images` training images."""

    def __init__(
        self,
        epochs: int,
        images: int,
        console: Console,
        reporter: Reporter,
        uploader: CheckpointUploader,
        timeline: Timeline,
        observe: Callable[[Message | None], None] = lambda _: None,
        elastic: bool = False,
    ) -> None:
        self.lost_workers: list[WorkerLoss] = []
        self._finished_epochs = 0
        self._elastic = elastic
        self._epochs = epochs
        self._images = images
        self._console = console
        self._reporter = reporter
        self._uploader = uploader
        self._timeline = timeline
        self._observe = observe

    def follow(self, messages: Iterable[Message | None]) -> Finished:
        """Handle messages until the workers have finished. Raises ReplacedError when this process has been replaced.

        None stands for silence: a process whose workers find no place must learn, too, that it has been replaced.
        """
        for message in messages:
            self._reporter.check()
            self._observe(message)
            if isinstance(message, Finished):
                self._timeline.mark("trained", message.at)
                return message
            if message is not None:
                self._handle(message)
        raise TrainerError("the workers ended without a result", FailureReason.WORKERS_LOST)

    def _handle(self, message: Message) -> None:
        if isinstance(message, Progressed):
            self._progressed(message)
        elif isinstance(message, EpochFinished):
            self._epoch_finished(message)
        elif isinstance(message, WorkersReady):
            self._finished_epochs = message.resumed_epoch
            self._timeline.mark("workersReady", message.at)
            self._console.line(f"{message.workers} workers ready")
            self._reporter.update(
                TrainingState.TRAINING,
                workers=message.workers,
                epoch=message.resumed_epoch,
                progressPercent=int(100 * message.resumed_epoch / self._epochs),
            )
        elif isinstance(message, FirstStep):
            self._timeline.mark("firstStep", message.at)
        elif isinstance(message, (WorkersLost, WorkersNotStarted)):
            self._console.line(f"workers were lost and are being replaced; {message}")
            self._reporter.update(workers=0)
            if isinstance(message, WorkersLost):
                self._report_losses(message)

    def _report_losses(self, message: WorkersLost) -> None:
        """Each lost worker counts; the status names the one that the others were lost with."""
        now = time.time()
        epoch = self._finished_epochs + 1
        self.lost_workers += [WorkerLoss(worker.host, epoch, now, worker.reason) for worker in message.workers]
        self._reporter.update(
            lostWorkers=len(self.lost_workers),
            lastLostWorker={
                "name": message.workers[0].host,
                "epoch": epoch,
                "time": timestamp(now),
                "message": self._what_comes_next(),
            },
        )

    def _what_comes_next(self) -> str:
        done = self._finished_epochs
        goes_on = f"Training goes on from the end of epoch {done}" if done else "Training starts again at epoch 1"
        return f"{goes_on} once a worker replaces it{', or with fewer workers' if self._elastic else ''}."

    def _progressed(self, message: Progressed) -> None:
        done = (message.epoch - 1 + message.step / message.steps) / self._epochs
        self._console.progress(message)
        self._reporter.update(
            progressPercent=int(100 * done),
            loss=message.loss,
            imagesPerSecond=round(message.images_per_second, 1),
            etaSeconds=int((1 - done) * self._epochs * self._images / max(message.images_per_second, 1e-9)),
        )

    def _epoch_finished(self, message: EpochFinished) -> None:
        record = message.record
        self._finished_epochs = record["epoch"]
        self._console.epoch(record, self._epochs)
        self._uploader.submit(Snapshot(record["epoch"], record["accuracy"], message.state))
        self._reporter.update(
            epoch=record["epoch"],
            progressPercent=int(100 * record["epoch"] / self._epochs),
            loss=record["train_loss"],
            accuracy=record["accuracy"],
            imagesPerSecond=round(record["images_per_second"], 1),
            etaSeconds=int((self._epochs - record["epoch"]) * (record["train_seconds"] + record["evaluation_seconds"])),
        )
