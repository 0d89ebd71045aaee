"""Random small affine maps (rotation, scale, shear, shift) of whole batches, and the random numbers they are made from.

Every random number is a function of its key: of seed and epoch for an epoch's order, of seed, epoch and image for an
augmentation. So there is no generator's state to save, a resumed run sees what an undisturbed one would have seen, and
an image is distorted the same way whichever worker computes it.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from mnist_trainer.plan import AugmentationSettings

_Words = npt.NDArray[np.uint64]
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def affine_maps(
    settings: AugmentationSettings, size: tuple[int, int], seed: int, epoch: int, indices: npt.NDArray[np.int64]
) -> Tensor:
    """One map per image, keyed by image and epoch: ``[N, 2, 3]``, in the coordinates of `affine_grid`."""
    strength = settings.first_epoch if epoch == 0 else 1.0
    draws = (torch.from_numpy(uniform(seed, epoch, indices, 6)) * 2 - 1) * strength
    angle = draws[:, 0] * math.radians(settings.rotation_degrees)
    scale_x, scale_y = 1 + draws[:, 1] * settings.scale, 1 + draws[:, 2] * settings.scale
    height, width = size
    cosine, sine = angle.cos(), angle.sin()
    shift_x, shift_y = draws[:, 3] * settings.shift_pixels * 2 / width, draws[:, 4] * settings.shift_pixels * 2 / height
    rows = [
        torch.stack([cosine * scale_x, draws[:, 5] * settings.shear - sine * scale_y, shift_x], 1),
        torch.stack([sine * scale_x, cosine * scale_y, shift_y], 1),
    ]
    return torch.stack(rows, 1)


def warp(images: Tensor, maps: Tensor) -> Tensor:
    """Resample float images ``[N, C, H, W]`` with bilinear interpolation; what comes from outside is 0."""
    height, width = images.shape[-2:]
    # `affine_grid` by parts: it multiplies out what is a sum of a row and a column, in many times the time.
    across = maps[:, :, 0, None] * _centres(width, maps.device) + maps[:, :, 2, None]
    down = maps[:, :, 1, None] * _centres(height, maps.device)
    grid = (across[:, :, None, :] + down[:, :, :, None]).permute(0, 2, 3, 1)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _centres(count: int, device: torch.device) -> Tensor:
    return (torch.arange(count, device=device) * 2 + 1) / count - 1


def uniform(seed: int, epoch: int, indices: npt.NDArray[np.int64], columns: int) -> npt.NDArray[np.float32]:
    """Uniform numbers in [0, 1), ``[len(indices), columns]``: row `i` depends on (seed, epoch, indices[i]) alone."""
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.array([seed], np.uint64)) + np.array([epoch], np.uint64))
        rows = _mix(key + indices.astype(np.uint64))
        cells = _mix(rows[:, None] + np.arange(1, columns + 1, dtype=np.uint64)[None, :] * _GAMMA)
    return ((cells >> np.uint64(40)).astype(np.float32)) * np.float32(2.0**-24)


def permutation(seed: int, epoch: int, count: int) -> npt.NDArray[np.int64]:
    """The order of an epoch: a permutation of ``range(count)`` that depends on (seed, epoch) alone."""
    with np.errstate(over="ignore"):
        key = _mix(_mix(np.array([~seed], np.int64).view(np.uint64)) + np.array([epoch], np.uint64))
        return np.argsort(_mix(np.arange(count, dtype=np.uint64) + key), kind="stable")


def _mix(values: _Words) -> _Words:
    # SplitMix64's step and output function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    values = values + _GAMMA
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
