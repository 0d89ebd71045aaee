"""The numbers of a run, once configuration and data are known: network, recipe, normalisation.

No torch here: the driver makes the plan, and the workers get it.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.data.disk import blocks

_REFERENCE_BATCH = 128
_MIN_STEPS_PER_EPOCH = 32
_MIN_BATCH = 16


@dataclass(frozen=True)
class ModelSpec:
    """What it takes to build a network: its name, and sizes that come from the data.

    The name of a network of the user's own is that of its function, `package.file:build`.
    """

    name: str
    classes: int
    height: int = 28
    width: int = 28
    channels: int = 1


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of the training pixels, on the scale 0 to 1."""

    mean: float
    std: float

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8]) -> Normalisation:
        """Exact figures from a histogram, so that they do not depend on the order of summation."""
        counts = np.zeros(256)
        for block in blocks(images):  # they may be larger than the memory
            counts += np.bincount(block.reshape(-1), minlength=256)
        levels = np.arange(256) / 255
        mean = float((counts * levels).sum() / counts.sum())
        variance = float((counts * (levels - mean) ** 2).sum() / counts.sum())
        return cls(mean, max(variance**0.5, 1e-3))


@dataclass(frozen=True)
class AugmentationSettings:
    """Half-widths of the uniform distributions. Fit for handwriting: characters stay what they are (no flips)."""

    rotation_degrees: float = 10.0
    scale: float = 0.1
    shear: float = 0.1
    shift_pixels: float = 2.0
    first_epoch: float = 1.0
    """So much of them in the first epoch: what is far from the truth yet learns more from plainer images."""


@dataclass(frozen=True)
class Recipe:
    """How the network is trained. `batch` counts the images of one step over all workers."""

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


@dataclass(frozen=True)
class _NetworkSettings:
    """What a recipe takes from the network that it trains. `rate` is the peak for 128 images a step."""

    rate: float
    filter_rate: float = 0.0
    warmup: float = 0.1
    first_epoch: float = 1.0
    numerics: int = 2
    """Raised when the same configuration and data would train differently: older checkpoints are then left alone."""


# Chosen for the accuracy on the last 10,000 training images of MNIST, which no run that chose had trained on.
_SETTINGS = {
    "cnn": _NetworkSettings(0.015, filter_rate=3.5, warmup=0.05, first_epoch=0.7, numerics=3),
    "mlp": _NetworkSettings(0.002),
    "lenet5": _NetworkSettings(0.003),
    "cnn-0.1.0": _NetworkSettings(0.01, filter_rate=3.5),
}
_FORMER = {"cnn": "cnn-0.1.0"}
"""What release 0.1.0 trained under a name that stands for another network today."""
# A network of the user's own, whatever it is: AdamW alone, at a rate that suits convolutions and attention.
_OWN_SETTINGS = _NetworkSettings(0.002)


@dataclass(frozen=True)
class TrainingPlan:
    """One run, but for its data and device."""

    spec: ModelSpec
    recipe: Recipe
    normalisation: Normalisation
    seed: int = 0
    precision: str = "auto"
    target_accuracy: float | None = None
    lineage: str = ""
    """Runs of equal lineage may continue each other's checkpoints."""
    class_names: tuple[str, ...] = ()
    """What the classes are called, where the dataset tells; no part of the lineage."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def make_plan(config: RunConfig, dataset: Dataset, code: str = "") -> TrainingPlan:
    """Derive the run from what the user asked for and what the data is like; `code` is the digest of the user's."""
    images = dataset.train_images
    height, width = images.shape[1:3]
    name = config.code_module or config.model.value
    spec = ModelSpec(name, dataset.classes, height, width, images.shape[3] if images.ndim == 4 else 1)
    recipe = make_recipe(spec.name, len(images), config.epochs, config.batch_size, config.workers, config.learning_rate)
    return TrainingPlan(
        spec=spec,
        recipe=recipe,
        normalisation=Normalisation.of(images),
        seed=config.seed,
        precision=config.precision.value,
        target_accuracy=config.target_accuracy,
        lineage=lineage(config, spec, dataset.digest, code),
        class_names=dataset.class_names,
    )


def former_plan(plan: TrainingPlan, config: RunConfig, dataset: Dataset) -> TrainingPlan | None:
    """How release 0.1.0 would train what `plan` trains, to go on with its checkpoints; None where nothing differs."""
    name = _FORMER.get(plan.spec.name)
    if name is None:
        return None
    spec = replace(plan.spec, name=name)
    images = len(dataset.train_images)
    recipe = make_recipe(name, images, config.epochs, config.batch_size, config.workers, config.learning_rate)
    return replace(plan, spec=spec, recipe=recipe, lineage=lineage(config, spec, dataset.digest))


def make_recipe(
    model: str, images: int, epochs: int, batch_per_worker: int, workers: int, rate: float | None
) -> Recipe:
    """Settings for `images` training images; `workers` is the configured number, so that elasticity changes nothing.

    A step takes batch_per_worker x workers images, but fewer where the data is so small that an epoch would have less
    than 32 steps. Without a given `rate` the model's own is scaled with the square root of the batch, as fits Adam
    (Malladi et al.: On the SDEs and scaling rules for adaptive gradient algorithms, 2022).
    """
    asked = batch_per_worker * workers
    batch = min(asked, max(_MIN_BATCH, math.ceil(images / _MIN_STEPS_PER_EPOCH)))
    own = _SETTINGS.get(model, _OWN_SETTINGS)
    return Recipe(
        batch=batch,
        epochs=epochs,
        peak_rate=own.rate * math.sqrt(batch / _REFERENCE_BATCH) if rate is None else rate,
        filter_rate=own.filter_rate,
        warmup=own.warmup,
        augmentation=AugmentationSettings(first_epoch=own.first_epoch),
    )


def lineage(config: RunConfig, spec: ModelSpec, digest: str, code: str = "") -> str:
    """Digest of what makes a run's weights meaningful to another run.

    Not of the number of workers and the batch: a training that is resized goes on with the steps that are left.
    """
    asked = next((name for name, former in _FORMER.items() if former == spec.name), spec.name)
    parts = {
        "numerics": _SETTINGS.get(spec.name, _OWN_SETTINGS).numerics,
        "spec": {**asdict(spec), "name": asked},
        "dataset": digest,
        "seed": config.seed,
        "epochs": config.epochs,
        "learningRate": config.learning_rate,
        "precision": config.precision.value,
        **({"code": code} if code else {}),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
