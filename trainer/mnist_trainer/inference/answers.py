"""What a model says of pictures. Neither PyTorch nor ONNX is needed here: a model is whatever gives probabilities."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from mnist_trainer.data.files import shown_class
from mnist_trainer.data.pictures import fitted, in_mode
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.inference.pictures import Drawing, find_character, read_drawing
from mnist_trainer.plan import ModelSpec

_NUMBERS = ("classes", "height", "width", "channels")
_SURE = 0.6  # the probability below which an answer is called doubtful


class Model(Protocol):
    """What it takes to classify images."""

    @property
    def spec(self) -> ModelSpec:
        """The network's name and the images that it takes."""
        ...

    @property
    def class_names(self) -> tuple[str, ...]:
        """One for each class, or none at all."""
        ...

    def probabilities(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Of the classes, [N, classes], for images [N, C, H, W]."""
        ...


def spec_of(metadata: Mapping[str, str]) -> ModelSpec:
    """Read what a released model's metadata say of it. Raises KeyError or ValueError for others."""
    return ModelSpec(metadata["model"], *(int(metadata[name]) for name in _NUMBERS))


def class_names_of(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Read the names of the classes: one for each, or none at all. Raises ValueError."""
    names = json.loads(metadata.get("classNames", "[]"))
    if not isinstance(names, list):
        raise ValueError("its classNames are no list")
    return tuple(map(str, names))


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
    found = iter(classify([drawing for drawing in drawings if isinstance(drawing, Drawing)], model))
    return [
        drawing if isinstance(drawing, Unread) else answer_drawing(str(path), drawing, next(found), model.class_names)
        for path, drawing in zip(files, drawings, strict=True)
    ]


def classify(drawings: Sequence[Drawing], model: Model) -> list[npt.NDArray[np.float32]]:
    """The probabilities [classes] that a model gives each drawing."""
    return list(probabilities(model, np.stack([drawing.image for drawing in drawings]))) if drawings else []


def drawing_of(picture: Path | Image.Image | npt.NDArray[np.uint8], spec: ModelSpec) -> Drawing:
    """A picture as a model of `spec` takes it.

    An array [H, W] or [H, W, C] of the model's own size is taken as it is, bright ink on black; every other picture has
    its character looked for. Raises InvalidConfigError for what is no picture.
    """
    if isinstance(picture, np.ndarray):
        own = (spec.height, spec.width) + ((spec.channels,) if picture.ndim == 3 else ())
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
            raise InvalidConfigError(
                f"an image is uint8 [H, W] or [H, W, C], and this is {picture.dtype} {list(picture.shape)}"
            )
        if picture.shape == own and (picture.ndim == 3) == (spec.channels > 1):
            return Drawing(picture)
        picture = Image.fromarray(picture)
    if not isinstance(picture, Image.Image):
        return read_drawing(picture, spec)
    if spec.channels == 1:
        return find_character(in_mode(picture, "RGB"), spec.height, spec.width)
    return Drawing(fitted(in_mode(picture, "RGB" if spec.channels < 4 else "RGBA"), spec.height, spec.width))


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


def _shown(guess: Guess) -> str:
    return shown_class(guess.label, guess.name)
