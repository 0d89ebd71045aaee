"""The numbers of a run, once configuration and data are known. Without torch: the driver makes it, workers get it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_trainer.config import RunConfig
from mnist_trainer.data import Dataset
from mnist_trainer.data.blocks import blocks
from mnist_trainer.recipe.recipe import Recipe, make_recipe

# Raise it when the same configuration and data would train differently: older checkpoints are then left alone.
_NUMERICS_VERSION = 2


@dataclass(frozen=True)
class ModelSpec:
    """What it takes to build a network: its name, and sizes that come from the data."""

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
        """All fields, for JSON."""
        return asdict(self)


def make_plan(config: RunConfig, dataset: Dataset) -> TrainingPlan:
    """Derive the run from what the user asked for and what the data is like."""
    images = dataset.train_images
    height, width = images.shape[1:3]
    spec = ModelSpec(config.model.value, dataset.classes, height, width, images.shape[3] if images.ndim == 4 else 1)
    recipe = make_recipe(spec.name, len(images), config.epochs, config.batch_size, config.workers, config.learning_rate)
    return TrainingPlan(
        spec=spec,
        recipe=recipe,
        normalisation=Normalisation.of(images),
        seed=config.seed,
        precision=config.precision.value,
        target_accuracy=config.target_accuracy,
        lineage=lineage(config, spec, dataset.digest),
        class_names=dataset.class_names,
    )


def lineage(config: RunConfig, spec: ModelSpec, digest: str) -> str:
    """Digest of what makes a run's weights meaningful to another run.

    Not of the number of workers and the batch: a training that is resized goes on with the steps that are left.
    """
    parts = {
        "numerics": _NUMERICS_VERSION,
        "spec": asdict(spec),
        "dataset": digest,
        "seed": config.seed,
        "epochs": config.epochs,
        "learningRate": config.learning_rate,
        "precision": config.precision.value,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
