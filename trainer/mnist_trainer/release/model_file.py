"""``model.safetensors``: weights by name, with what it takes to use them in the header."""

from __future__ import annotations

import json
from typing import Any

import numpy.typing as npt
from safetensors.numpy import save

from mnist_trainer.plan import TrainingPlan
from mnist_trainer.version import package_version


def encode_model(weights: dict[str, npt.NDArray[Any]], plan: TrainingPlan, accuracy: float) -> bytes:
    """The file's bytes: equal for equal weights and metadata, so that digests of repeated runs can be compared."""
    return _with_sorted_header(save(weights, {"format": "pt", **model_metadata(plan, accuracy)}))


def model_metadata(plan: TrainingPlan, accuracy: float) -> dict[str, str]:
    """What it takes to use a model's weights, and where they come from. `classNames` is a JSON list."""
    spec, normalisation = plan.spec, plan.normalisation
    metadata = {
        "model": spec.name,
        "classes": spec.classes,
        "height": spec.height,
        "width": spec.width,
        "channels": spec.channels,
        "mean": repr(normalisation.mean),
        "std": repr(normalisation.std),
        "accuracy": repr(accuracy),
        "lineage": plan.lineage,
        "version": package_version(),
    }
    if plan.class_names:
        metadata["classNames"] = json.dumps(plan.class_names)
    return {name: str(value) for name, value in metadata.items()}


def _with_sorted_header(data: bytes) -> bytes:
    # The library writes metadata in the random order of a hash map. (Format: length, JSON padded with spaces, data.)
    size = int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]
