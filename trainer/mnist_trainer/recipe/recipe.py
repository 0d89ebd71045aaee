"""The numbers of a training run, derived from what the user asked for and what the data is like."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_REFERENCE_BATCH = 128
_BASE_RATE = {"cnn": 0.01, "mlp": 0.002, "lenet5": 0.003}
_FILTER_RATE = {"cnn": 3.5}
_LEAST_STEPS_PER_EPOCH = 32
_LEAST_BATCH = 16


@dataclass(frozen=True)
class AugmentationSettings:
    """Half-widths of the uniform distributions. Fit for handwriting: characters stay what they are (no flips)."""

    rotation_degrees: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift_pixels: float = 2.0


@dataclass(frozen=True)
class Recipe:
    """Settings of one run. `batch` counts the images of one step over all workers."""

    batch: int
    epochs: int
    peak_rate: float
    label_smoothing: float = 0.1
    weight_decay: float = 0.02
    beta1: float = 0.9
    beta2: float = 0.99
    filter_rate: float = 0.0
    """Muon's learning rate for convolutions, as a multiple of AdamW's for the rest; 0: AdamW for all."""
    average_decay: float = 0.99
    warmup: float = 0.1
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)

    def steps_per_epoch(self, images: int) -> int:
        """Optimizer steps that cover `images` once."""
        return math.ceil(images / self.batch)


def make_recipe(
    model: str, images: int, epochs: int, batch_per_worker: int, workers: int, rate: float | None
) -> Recipe:
    """Settings for `images` training images; `workers` is the configured number, so that elasticity changes nothing.

    A step takes batch_per_worker x workers images, but fewer where the data is so small that an epoch would have less
    than 32 steps. Without a given `rate` the model's own is scaled with the square root of the batch, as fits Adam
    (Malladi et al.: On the SDEs and scaling rules for adaptive gradient algorithms, 2022).
    """
    asked = batch_per_worker * workers
    batch = min(asked, max(_LEAST_BATCH, math.ceil(images / _LEAST_STEPS_PER_EPOCH)))
    peak = _BASE_RATE[model] * math.sqrt(batch / _REFERENCE_BATCH) if rate is None else rate
    return Recipe(batch=batch, epochs=epochs, peak_rate=peak, filter_rate=_FILTER_RATE.get(model, 0.0))
