"""From a dataset to what one worker computes in a step: images chosen, gathered, augmented and normalised.

An epoch is cut into batches of nearly equal size, and each batch into one slice per worker. Both depend on seed and
epoch alone, so every image is computed exactly once in an epoch, whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mnist_trainer.augment import affine_maps, permutation, warp
from mnist_trainer.plan import Normalisation, TrainingPlan

# The maps of so many steps are drawn at once: for one batch, calling costs many times what computing does.
_STEPS_AT_ONCE = 32


@dataclass(frozen=True)
class ImageSet:
    """Images uint8 ``[N, C, H, W]`` and labels uint8 ``[N]``. They may lie in shared memory and are only read.

    Labels lie on the device that computes; images may lie elsewhere (in a file, where they are too many).
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: Tensor) -> Tensor:
        """The images at `indices`, on the device that computes."""
        return self.images.index_select(0, indices.to(self.images.device)).to(self.labels.device)

    @classmethod
    def from_arrays(
        cls, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], device: torch.device, in_file: bool = False
    ) -> ImageSet:
        """Wrap ``[N, H, W]`` or ``[N, H, W, C]`` arrays; on a CPU without a copy. Images `in_file` stay there."""
        pixels = torch.from_numpy(images)
        pixels = pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
        return cls(pixels if in_file else pixels.to(device), torch.from_numpy(labels).to(device))


@dataclass(frozen=True)
class Batch:
    """One worker's images ``[n, C, H, W]`` and labels ``[n]`` (n may be 0) of a step that has `total` over all."""

    images: Tensor
    labels: Tensor
    total: int


class EpochBatches:
    """The batches of worker `rank` in one epoch of `steps` steps; `epoch` counts from 0."""

    def __init__(
        self, plan: TrainingPlan, data: ImageSet, epoch: int, steps: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self._plan = plan
        self._data = data
        self._epoch = epoch
        self._sampler = EpochSampler(plan.seed, epoch, len(data), steps)
        self._rank, self._world_size = rank, world_size

    def __iter__(self) -> Iterator[Batch]:
        plan, sampler, device = self._plan, self._sampler, self._data.labels.device
        height, width = self._data.images.shape[-2:]
        for first in range(0, sampler.steps, _STEPS_AT_ONCE):
            block = range(first, min(sampler.steps, first + _STEPS_AT_ONCE))
            slices = [sampler.indices(step, self._rank, self._world_size) for step in block]
            indices = np.concatenate(slices)
            maps = affine_maps(plan.recipe.augmentation, (height, width), plan.seed, self._epoch, indices).to(device)
            where = torch.from_numpy(indices).to(device)
            start = 0
            for step, own in zip(block, slices, strict=True):
                end = start + len(own)
                yield self._batch(where[start:end], maps[start:end], sampler.batch_size(step))
                start = end

    def _batch(self, where: Tensor, maps: Tensor, total: int) -> Batch:
        images = self._data.take(where).float()
        if len(where):
            images = normalised(warp(images, maps), self._plan.normalisation)
        labels = self._data.labels.index_select(0, where).long()
        return Batch(images.contiguous(memory_format=torch.channels_last), labels, total)


class EpochSampler:
    """Which images make up which batch of an epoch, and which of them each worker computes.

    The batches are of nearly equal size: a small rest at the end would be a step of mostly noise.
    """

    def __init__(self, seed: int, epoch: int, images: int, steps: int) -> None:
        self._order = permutation(seed, epoch, images)
        self.steps = steps

    def batch_size(self, step: int) -> int:
        """Images of `step` over all workers."""
        start, end = shard(len(self._order), self.steps, step)
        return end - start

    def indices(self, step: int, rank: int, world_size: int) -> npt.NDArray[np.int64]:
        """Indices of the images that worker `rank` computes in `step`; may be empty."""
        start, end = shard(len(self._order), self.steps, step)
        first, last = shard(end - start, world_size, rank)
        return self._order[start + first : start + last]


def shard(count: int, parts: int, part: int) -> tuple[int, int]:
    """Start and end of one of `parts` pieces of ``range(count)``, whose sizes differ by at most one."""
    return count * part // parts, count * (part + 1) // parts


def normalised(images: Tensor, normalisation: Normalisation) -> Tensor:
    """Float images, as networks take them, from pixels on the scale 0 to 255."""
    return images.float().mul_(1 / (255 * normalisation.std)).sub_(normalisation.mean / normalisation.std)
