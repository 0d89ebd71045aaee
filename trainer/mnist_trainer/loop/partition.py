"""Who computes what: an epoch is cut into batches, a batch into one slice per worker."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from mnist_trainer.recipe.keyed_random import permutation


def cut(count: int, parts: int, part: int) -> tuple[int, int]:
    """Start and end of one of `parts` pieces of ``range(count)``, whose sizes differ by at most one."""
    return count * part // parts, count * (part + 1) // parts


class EpochPlan:
    """The batches of one epoch. Together they hold every image exactly once, and so do all workers' slices of each.

    The batches are of nearly equal size: a small rest at the end would be a step of mostly noise.
    """

    def __init__(self, seed: int, epoch: int, images: int, steps: int) -> None:
        self._order = permutation(seed, epoch, images)
        self.steps = steps

    def batch_size(self, step: int) -> int:
        """Images of `step` over all workers."""
        start, end = cut(len(self._order), self.steps, step)
        return end - start

    def slice(self, step: int, rank: int, world_size: int) -> npt.NDArray[np.int64]:
        """Indices of the images that `rank` computes in `step`; may be empty."""
        start, end = cut(len(self._order), self.steps, step)
        first, last = cut(end - start, world_size, rank)
        return self._order[start + first : start + last]

    def slices(self, rank: int, world_size: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """(global batch size, indices of `rank`) for every step of the epoch."""
        for step in range(self.steps):
            yield self.batch_size(step), self.slice(step, rank, world_size)
