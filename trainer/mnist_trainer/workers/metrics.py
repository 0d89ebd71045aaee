"""The training's figures on the metrics endpoint of the Ray node where the driver runs.

Names and labels are a contract with whoever draws and alerts (``contracts/trainer.json``, ``metrics``); Ray puts `ray_`
before each name, and `_total` behind a counter's.
"""

from __future__ import annotations

from typing import Any

from mnist_trainer.events import (
    EpochFinished,
    Event,
    Finished,
    Progress,
    WorkersLost,
    WorkersNotStarted,
    WorkersReady,
)

LABELS = ("training_namespace", "training_name")
GAUGES = {
    "loss": "Mean training loss of the last step reported; of the whole epoch when it has ended.",
    "test_loss": "Mean loss on the test images after the last finished epoch.",
    "accuracy": "Share of test images classified correctly after the last finished epoch, 0 to 1.",
    "epoch": "Finished epochs.",
    "epochs": "Epochs of the whole training.",
    "progress_ratio": "Share of the training that is done, 0 to 1.",
    "workers": "Workers that train; 0 while lost ones are being replaced.",
    "images_per_second": "Training images per second of all workers together, over the running epoch.",
    "step_seconds": "Mean duration of a training step since the last report.",
    "data_wait_seconds": "Mean part of a step that worker 0 spends until its batch is ready, since the last report.",
    "evaluation_seconds": "Duration of the evaluation after the last finished epoch.",
    "checkpoint_seconds": "Duration of the last checkpoint's upload, beside the training.",
}
COUNTERS = {
    "images": "Training images computed by all workers, those computed again after a loss included.",
    "worker_losses": "Times that workers were lost and replaced.",
}
PREFIX = "mnist_trainer_"
OWN = ("metric", "name")
OWN_HELP = "Figures of the user's own code, by name: the last ones that it reported, at most 32."


class TrainingMetrics:
    """Figures of one training of `epochs` epochs over `images` images. Needs a connected Ray.

    Ray forgets a gauge that is not set again within some 20 seconds, so all of them are, with everything observed.
    """

    def __init__(self, namespace: str, name: str, epochs: int, images: int) -> None:
        from ray.util.metrics import Counter, Gauge

        tags = dict(zip(LABELS, (namespace, name), strict=True))

        def make(kind: Any, names: dict[str, str]) -> dict[str, Any]:
            return {key: kind(PREFIX + key, text, LABELS).set_default_tags(tags) for key, text in names.items()}

        self._gauges, self._counters = make(Gauge, GAUGES), make(Counter, COUNTERS)
        self._epochs, self._images = epochs, images
        self._counted = 0  # images of the running epoch
        self._values: dict[str, float] = {}
        self._set(epochs=epochs, workers=0, epoch=0, progress_ratio=0)

    def observe(self, event: Event | None) -> None:
        """Take over what an event says; None stands for a second of silence."""
        if isinstance(event, WorkersReady):
            self._counted = 0
            done = event.resumed_epoch
            self._set(workers=event.workers, epoch=done, progress_ratio=done / self._epochs)
        elif isinstance(event, Progress):
            share = event.step / event.steps
            self._count(int(self._images * share))
            self._set(
                loss=event.loss,
                images_per_second=event.images_per_second,
                workers=event.workers,
                progress_ratio=(event.epoch - 1 + share) / self._epochs,
                step_seconds=event.step_seconds,
                data_wait_seconds=event.data_seconds,
            )
        elif isinstance(event, EpochFinished):
            record = event.record
            self._count(self._images)
            self._counted = 0
            self._set(
                loss=record.train_loss,
                test_loss=record.test_loss,
                accuracy=record.accuracy,
                epoch=record.epoch,
                images_per_second=record.images_per_second,
                evaluation_seconds=record.evaluation_seconds,
                progress_ratio=record.epoch / self._epochs,
            )
        elif isinstance(event, Finished):
            self._set(progress_ratio=1)
        elif isinstance(event, (WorkersLost, WorkersNotStarted)):
            self._counters["worker_losses"].inc()
            self._set(workers=0)
        for name, value in self._values.copy().items():
            self._gauges[name].set(value)

    def checkpoint_saved(self, seconds: float) -> None:
        """A checkpoint's upload took this long. Any thread may say so."""
        self._set(checkpoint_seconds=seconds)

    def _count(self, images: int) -> None:
        if images > self._counted:
            self._counters["images"].inc(images - self._counted)
            self._counted = images

    def _set(self, **values: float) -> None:
        self._values.update({name: float(value) for name, value in values.items()})


class ScriptMetrics:
    """Figures that a script of the user's own reports. Needs a connected Ray."""

    def __init__(self, namespace: str, name: str) -> None:
        from ray.util.metrics import Gauge

        self._tags = dict(zip(LABELS, (namespace, name), strict=True))
        self._gauges: dict[str, Any] = {}
        self._own = Gauge(PREFIX + OWN[0], OWN_HELP, (*LABELS, OWN[1])).set_default_tags(self._tags)

    def show(self, figures: dict[str, float | None], own: dict[str, float]) -> None:
        """Set the gauges of `figures` (names of `GAUGES`) that are known, and one for each of the user's own."""
        from ray.util.metrics import Gauge

        for name, value in figures.items():
            if value is None:
                continue
            if name not in self._gauges:
                self._gauges[name] = Gauge(PREFIX + name, GAUGES[name], LABELS).set_default_tags(self._tags)
            self._gauges[name].set(float(value))
        for name, value in own.items():
            self._own.set(value, {**self._tags, OWN[1]: name})
