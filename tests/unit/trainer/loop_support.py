"""A collective of threads, and small data that can be learnt."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mnist_trainer.batches import ImageSet
from mnist_trainer.events import EpochFinished, EpochRecord, Event, FirstStep, Progress
from mnist_trainer.plan import ModelSpec, Normalisation, TrainingPlan, make_recipe
from mnist_trainer.state import LoopState, decode_state
from mnist_trainer.train import Outcome, TrainingJob, TrainingLoop


class _Exchange:
    def __init__(self, world_size: int) -> None:
        self.barrier = threading.Barrier(world_size, timeout=60)
        self.slots: list[Tensor | None] = [None] * world_size


@dataclass(frozen=True)
class _Sum:
    """Nothing is added up before `wait`: whoever uses the tensor earlier computes with a part."""

    collective: ThreadCollective
    tensor: Tensor

    def wait(self) -> None:
        self.collective.sum_(self.tensor)


class ThreadCollective:
    """One of several workers that are threads of this process."""

    def __init__(self, exchange: _Exchange, rank: int) -> None:
        self._exchange = exchange
        self.rank = rank
        self.world_size = len(exchange.slots)

    def sum_(self, tensor: Tensor) -> None:
        self._all(tensor, lambda slots: torch.stack(slots).sum(0))

    def start_sum_(self, tensor: Tensor) -> _Sum:
        return _Sum(self, tensor)

    def broadcast_(self, tensor: Tensor) -> None:
        self._all(tensor, lambda slots: slots[0])

    def _all(self, tensor: Tensor, combine: Callable[[list[Tensor]], Tensor]) -> None:
        self._exchange.slots[self.rank] = tensor.clone()
        self._exchange.barrier.wait()
        result = combine([slot for slot in self._exchange.slots if slot is not None])
        self._exchange.barrier.wait()
        tensor.copy_(result)


class Recorder:
    """Remembers the events that it was told. Raises KilledError after an epoch, as if the process were gone."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.records: list[EpochRecord] = []
        self.states: list[LoopState] = []
        self.progress: list[Progress] = []
        self.starts = 0
        self._stop_after = stop_after

    def __call__(self, event: Event) -> None:
        if isinstance(event, FirstStep):
            self.starts += 1
        elif isinstance(event, Progress):
            self.progress.append(event)
        elif isinstance(event, EpochFinished):
            self.records.append(event.record)
            self.states.append(decode_state(event.state))
            if self._stop_after is not None and event.record.epoch >= self._stop_after:
                raise KilledError


class KilledError(Exception):
    """The process that trained is gone."""


def stripes(count: int, seed: int, side: int = 28, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """`count` noisy images with a bright bar in one of four places, which is the label."""
    random = np.random.default_rng(seed)
    labels = (np.arange(count) % 4).astype(np.uint8)
    shape = (count, side, side) if channels == 1 else (count, side, side, channels)
    images = random.integers(0, 60, shape, dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        first = 2 + int(label) * (side // 4)
        image[first : first + 3, 3:-3] = 250
    return images, labels


def make_job(
    model: str, *, epochs: int = 2, train: int = 203, batch: int = 32, seed: int = 3, channels: int = 1
) -> TrainingJob:
    """A training that takes well under a second."""
    images, labels = stripes(train, 1, channels=channels)
    test_images, test_labels = stripes(41, 2, channels=channels)
    cpu = torch.device("cpu")
    recipe = replace(make_recipe(model, train, epochs, batch, 1, None), batch=batch)
    return TrainingJob(
        plan=TrainingPlan(ModelSpec(model, 4, channels=channels), recipe, Normalisation.of(images), seed),
        train=ImageSet.from_arrays(images, labels, cpu),
        test=ImageSet.from_arrays(test_images, test_labels, cpu),
        device=cpu,
    )


def replan(job: TrainingJob, **changes: object) -> TrainingJob:
    """The same job with some fields of its plan changed."""
    return replace(job, plan=replace(job.plan, **changes))


def run_workers(job: TrainingJob, world_size: int, publish: Recorder | None = None) -> list[Outcome]:
    """Train with `world_size` workers; returns their outcomes in order of rank."""
    exchange = _Exchange(world_size)
    with ThreadPoolExecutor(world_size) as pool:
        # The networks' initial weights come from PyTorch's global generator, which threads share: build one by one.
        loops = [TrainingLoop(job, ThreadCollective(exchange, rank), publish) for rank in range(world_size)]
        return list(pool.map(lambda loop: loop.run(), loops))
