"""Random small affine maps (rotation, scale, shear, shift) of whole batches."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from mnist_trainer.recipe.keyed_random import uniform
from mnist_trainer.recipe.recipe import AugmentationSettings


def affine_maps(
    settings: AugmentationSettings, size: tuple[int, int], seed: int, epoch: int, indices: npt.NDArray[np.int64]
) -> Tensor:
    """One map per image, keyed by image and epoch: ``[N, 2, 3]``, in the coordinates of `affine_grid`."""
    draws = torch.from_numpy(uniform(seed, epoch, indices, 6)) * 2 - 1
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
