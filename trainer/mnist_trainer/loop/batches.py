"""What one worker computes in an epoch: images gathered, augmented and normalised, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mnist_trainer.loop.evaluation import normalised
from mnist_trainer.loop.job import TrainingJob
from mnist_trainer.loop.partition import EpochPlan
from mnist_trainer.recipe.augment import affine_maps, warp

# The maps of so many steps are drawn at once: for one batch, calling costs many times what computing does.
_STEPS_AT_ONCE = 32


@dataclass(frozen=True)
class Batch:
    """One worker's images ``[n, C, H, W]`` and labels ``[n]`` (n may be 0) of a step that has `total` over all."""

    images: Tensor
    labels: Tensor
    total: int


class EpochBatches:
    """The batches of worker `rank` in one epoch of `steps` steps; `epoch` counts from 0."""

    def __init__(self, job: TrainingJob, epoch: int, steps: int, rank: int = 0, world_size: int = 1) -> None:
        self._job = job
        self._epoch = epoch
        self._plan = EpochPlan(job.plan.seed, epoch, len(job.train), steps)
        self._rank, self._world_size = rank, world_size

    def __iter__(self) -> Iterator[Batch]:
        job, steps = self._job, self._plan.steps
        height, width = job.train.images.shape[-2:]
        for first in range(0, steps, _STEPS_AT_ONCE):
            block = range(first, min(steps, first + _STEPS_AT_ONCE))
            slices = [self._plan.slice(step, self._rank, self._world_size) for step in block]
            indices = np.concatenate(slices)
            maps = affine_maps(job.plan.recipe.augmentation, (height, width), job.plan.seed, self._epoch, indices)
            maps, where = maps.to(job.device), torch.from_numpy(indices).to(job.device)
            offset = 0
            for step, own in zip(block, slices, strict=True):
                end = offset + len(own)
                yield self._batch(where[offset:end], maps[offset:end], self._plan.batch_size(step))
                offset = end

    def _batch(self, where: Tensor, maps: Tensor, total: int) -> Batch:
        train = self._job.train
        images = train.take(where).float()
        if len(where):
            images = normalised(warp(images, maps), self._job.plan.normalisation)
        labels = train.labels.index_select(0, where).long()
        return Batch(images.contiguous(memory_format=torch.channels_last), labels, total)
