"""``metrics.json``: everything measured in a run, for programs."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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
