"""Our recipe in this process, without Ray: the same loop that the workers run."""

from __future__ import annotations

from collections.abc import Callable

import torch

from benchmarks.accuracy.results import Epoch
from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.loop.collective import Alone
from mnist_trainer.loop.job import EpochRecord, ImageSet, LoopState, StepProgress, TrainingJob
from mnist_trainer.loop.loop import TrainingLoop
from mnist_trainer.loop.memory import keep_freed_memory
from mnist_trainer.plan import make_plan


def epoch_of(record: EpochRecord) -> Epoch:
    """What the comparison needs of the trainer's own record."""
    return Epoch(record.epoch, record.accuracy, record.train_seconds, record.evaluation_seconds)


def train_ours(dataset: Dataset, seed: int, epochs: int, workers: int, finished: Callable[[Epoch], None]) -> None:
    """Train with the default settings and the batch of `workers` workers, on this process's threads."""
    keep_freed_memory()
    # The addresses are never used: the data is at hand, and nothing is released.
    config = RunConfig(dataset="s3://none/data", output="s3://none/runs", seed=seed, epochs=epochs, workers=workers)
    cpu = torch.device("cpu")
    job = TrainingJob(
        plan=make_plan(config, dataset),
        train=ImageSet.from_arrays(dataset.train_images, dataset.train_labels, cpu),
        test=ImageSet.from_arrays(dataset.test_images, dataset.test_labels, cpu),
        device=cpu,
    )
    TrainingLoop(job, Alone(), _Hooks(finished)).run()


class _Hooks:
    def __init__(self, finished: Callable[[Epoch], None]) -> None:
        self._finished = finished

    def started(self) -> None:
        pass

    def progressed(self, progress: StepProgress) -> None:
        pass

    def epoch_finished(self, record: EpochRecord, state: LoopState) -> None:
        self._finished(epoch_of(record))
