"""Classify images and pictures, and evaluate a model on a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mnist_trainer.batches import ImageSet
from mnist_trainer.collective import Alone
from mnist_trainer.data import Dataset
from mnist_trainer.data.files import shown_class
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError
from mnist_trainer.evaluate import evaluate
from mnist_trainer.inference.model_file import LoadedModel, Model
from mnist_trainer.inference.pictures import Drawing, read_drawing
from mnist_trainer.release.files import Predictions

_SURE = 0.6  # the probability below which an answer is called doubtful


@dataclass(frozen=True)
class Guess:
    """A class, its name if it has one, and its probability."""

    label: int
    name: str | None
    confidence: float

    def as_json(self) -> dict[str, Any]:
        """For `predict --json`."""
        return {"class": self.label, "name": self.name, "confidence": self.confidence}


@dataclass(frozen=True)
class Answer:
    """What a model says of one picture: its best guesses, and why they may be wrong (empty if nothing says so)."""

    file: str
    best: Guess
    next: Guess | None
    is_blank: bool
    doubt: str

    def as_json(self) -> dict[str, Any]:
        """For `predict --json`."""
        following = self.next.as_json() if self.next else None
        doubts = {"doubtful": bool(self.doubt), "doubt": self.doubt or None}
        return {"file": self.file, **self.best.as_json(), "next": following, "blank": self.is_blank, **doubts}

    def __str__(self) -> str:
        if self.is_blank:
            return f"{self.file}: nothing is drawn there"
        other = f", else {_shown(self.next)} with {100 * self.next.confidence:.1f} %" if self.next else ""
        doubtful = f"  (doubtful: {self.doubt})" if self.doubt else ""
        return f"{self.file}: {_shown(self.best)}  ({100 * self.best.confidence:.1f} % sure{other}){doubtful}"


@dataclass(frozen=True)
class Unread:
    """A picture that could not be read, and why."""

    file: str
    error: str

    def as_json(self) -> dict[str, Any]:
        """For `predict --json`."""
        return asdict(self)


def classify_files(model: Model, files: Sequence[Path]) -> list[Answer | Unread]:
    """An answer for each picture file, in their order; what cannot be read does not keep the others waiting."""
    drawings: list[Drawing | Unread] = []
    for path in files:
        try:
            drawings.append(read_drawing(path, model.spec))
        except InvalidConfigError as error:
            drawings.append(Unread(str(path), error.message))
    images = [drawing.image for drawing in drawings if isinstance(drawing, Drawing)]
    shares = iter(probabilities(model, np.stack(images)) if images else ())
    return [
        drawing if isinstance(drawing, Unread) else answer_drawing(str(path), drawing, next(shares), model.class_names)
        for path, drawing in zip(files, drawings, strict=True)
    ]


def answer_drawing(file: str, drawing: Drawing, shares: npt.NDArray[np.float32], names: Sequence[str]) -> Answer:
    """The answer for a picture, from the probabilities [classes] that the model gives its drawing."""
    ranked = np.argsort(-shares, kind="stable")[:2].tolist()
    best, *others = [
        Guess(label, names[label] if label < len(names) else None, float(shares[label])) for label in ranked
    ]
    doubt = drawing.doubt or ("" if best.confidence >= _SURE else "the model is not sure")
    return Answer(file, best, others[0] if others else None, drawing.is_blank, doubt)


def probabilities(model: Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Class probabilities ``[N, classes]`` of images ``[N, H, W]`` or ``[N, H, W, C]``."""
    channels_first = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return model.probabilities(np.ascontiguousarray(channels_first))


def evaluate_model(model: LoadedModel, dataset: Dataset) -> tuple[float, float, Predictions]:
    """Accuracy, loss and predictions on the test images. Raises DatasetInvalidError if the images do not fit."""
    import torch

    shape = (*dataset.test_images.shape[1:3], dataset.test_images.shape[3] if dataset.test_images.ndim == 4 else 1)
    wanted = (model.spec.height, model.spec.width, model.spec.channels)
    if shape != wanted:
        raise DatasetInvalidError(f"the model takes images of {wanted} (height, width, channels); these are {shape}")
    if int(dataset.test_labels.max(initial=0)) >= model.spec.classes:
        raise DatasetInvalidError(
            f"the model knows {model.spec.classes} classes; the test labels go up to {int(dataset.test_labels.max())}"
        )
    test = ImageSet.from_arrays(dataset.test_images.copy(), dataset.test_labels.copy(), torch.device("cpu"))
    result = evaluate(model.network, test, model.normalisation, Alone())
    predictions = Predictions(
        dataset.test_labels, result.predictions.numpy(), result.confidences.numpy(), result.true_confidences.numpy()
    )
    return result.accuracy, result.loss, predictions


def _shown(guess: Guess) -> str:
    return shown_class(guess.label, guess.name)
