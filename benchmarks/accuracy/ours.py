"""Our recipe in this process, without Ray: the same loop that the workers run."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.accuracy.results import Epoch
from mnist_trainer.collective import Alone
from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.events import EpochFinished, EpochRecord, Event
from mnist_trainer.plan import make_plan
from mnist_trainer.train import TrainingJob, TrainingLoop, keep_freed_memory


def epoch_of(record: EpochRecord) -> Epoch:
    """What the comparison needs of the trainer's own record."""
    return Epoch(record.epoch, record.accuracy, record.train_seconds, record.evaluation_seconds)


def train_ours(dataset: Dataset, seed: int, epochs: int, workers: int, finished: Callable[[Epoch], None]) -> None:
    """Train with the default settings and the batch of `workers` workers, on this process's threads."""
    keep_freed_memory()
    # The addresses are never used: the data is at hand, and nothing is released.
    config = RunConfig(dataset="s3://none/data", output="s3://none/runs", seed=seed, epochs=epochs, workers=workers)
    job = TrainingJob.assemble(make_plan(config, dataset), dataset, torch.device("cpu"))

    def publish(event: Event) -> None:
        if isinstance(event, EpochFinished):
            finished(epoch_of(event.record))

    TrainingLoop(job, Alone(), publish).run()
