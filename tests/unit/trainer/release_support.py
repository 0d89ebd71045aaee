"""A small finished training, and what is released of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mnist_trainer.config import parse_config
from mnist_trainer.data import Dataset
from mnist_trainer.events import EpochRecord, Finished
from mnist_trainer.naming import RunPlace
from mnist_trainer.plan import make_plan
from mnist_trainer.release.build import RunFacts, WorkerLoss, build_files
from mnist_trainer.release.publish import ReleaseFile, ReleaseManifest

CONFIG = parse_config({"dataset": "s3://datasets/<script>", "output": "s3://models/run", "workers": 2, "epochs": 2})
PLACE = RunPlace(CONFIG.output_address, 1, "r1")


def record(epoch: int) -> EpochRecord:
    return EpochRecord(
        epoch=epoch,
        step=10 * epoch,
        train_loss=1 / epoch,
        test_loss=0.5 / epoch,
        accuracy=0.5 + 0.2 * epoch,
        learning_rate=0.01,
        train_seconds=2.0,
        evaluation_seconds=0.5,
        images_per_second=30.0,
        workers=2,
        finished_at=1.7e9 + epoch,
    )


def small_dataset() -> Dataset:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.tile(np.arange(3, dtype=np.uint8), 20)
    return Dataset(images, labels, images[:10], labels[:10], "d" * 64, 3)


def small_training(dataset: Dataset) -> Finished:
    predicted = dataset.test_labels.astype(np.int64)
    predicted[[2, 5]] = [0, 1]
    confidence = np.linspace(0.5, 0.95, 10)
    return Finished(
        history=[record(1), record(2)],
        weights={"head.weight": np.eye(3, dtype=np.float32)},
        accuracy=0.8,
        loss=0.4,
        predictions=predicted,
        confidences=confidence,
        true_confidences=1 - confidence,
        versions={"torch": "2"},
        device="cpu",
        at=1.7e9,
        onnx=b"a network",
    )


LOST = WorkerLoss("workers-<b>", 2, 1.7e9 + 1.5, "its node died")


def build(
    finished: Finished, dataset: Dataset, lost_workers: Sequence[WorkerLoss] = ()
) -> tuple[list[ReleaseFile], ReleaseManifest]:
    plan = make_plan(CONFIG, dataset)
    facts = RunFacts(CONFIG, plan, PLACE, {"started": 1.7e9, "trained": 1.7e9 + 9}, lost_workers)
    return build_files(facts, dataset, finished)
