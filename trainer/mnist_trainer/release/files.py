"""The files of a release that programs read: ``model.safetensors`` and ``metrics.json``.

The model's header holds what it takes to use its weights; the metrics hold everything measured in a run.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from mnist_trainer.plan import TrainingPlan
from mnist_trainer.version import package_version

_WORST = 25


@dataclass(frozen=True)
class Predictions:
    """What was predicted for each test image (``[N]`` each): class, its probability, the true class's probability."""

    labels: npt.NDArray[np.uint8]
    predicted: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    true_confidence: npt.NDArray[np.float64]

    def confusion(self, classes: int) -> npt.NDArray[np.int64]:
        """Counts ``[true class, predicted class]``."""
        cells = self.labels.astype(np.int64) * classes + self.predicted
        return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)

    def worst(self, count: int = _WORST) -> list[int]:
        """Indices of the wrong answers in which the true class was given the least probability."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        return [int(index) for index in wrong[np.argsort(self.true_confidence[wrong], kind="stable")][:count]]


def per_class(confusion: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
    """Precision, recall and F1 of every class; 0 where there is nothing to divide."""
    rows = []
    for number in range(len(confusion)):
        hit = int(confusion[number, number])
        support, predicted = int(confusion[number].sum()), int(confusion[:, number].sum())
        precision, recall = hit / predicted if predicted else 0.0, hit / support if support else 0.0
        f1 = 2 * precision * recall / (precision + recall) if hit else 0.0
        rows.append({"class": number, "precision": precision, "recall": recall, "f1": f1, "support": support})
    return rows


def worst_mistakes(predictions: Predictions) -> list[dict[str, Any]]:
    """The worst mistakes, by index in the test set."""
    return [
        {
            "index": index,
            "label": int(predictions.labels[index]),
            "predicted": int(predictions.predicted[index]),
            "confidence": float(predictions.confidence[index]),
        }
        for index in predictions.worst()
    ]


def encode_json(value: object) -> bytes:
    """JSON that every reader takes, in plain ASCII. Raises ValueError for figures that JSON does not know (NaN)."""
    return json.dumps(value, indent=2, allow_nan=False).encode("ascii")


def finite(value: Any) -> Any:
    """The same plain data, with None where a figure is not finite."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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
