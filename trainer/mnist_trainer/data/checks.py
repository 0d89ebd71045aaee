"""Checks over the four decoded files together, and what they find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.disk import blocks
from mnist_trainer.data.files import Role

# A highest label this much rarer than the average class is an error in the data, not a class: real unbalanced sets
# (EMNIST ByClass: 17 % of the mean at least) are far from it.
_RARE = 0.01


@dataclass(frozen=True)
class Finding:
    """One remark. An `error` makes the dataset unusable; a `warning` is worth a look."""

    severity: Literal["error", "warning"]
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


def check(arrays: Mapping[Role, NDArray[np.uint8]], names: Mapping[Role, str]) -> Iterator[Finding]:
    """Findings on whichever files could be decoded; `names` are for the messages."""
    for images, labels in ((Role.TRAIN_IMAGES, Role.TRAIN_LABELS), (Role.TEST_IMAGES, Role.TEST_LABELS)):
        if images in arrays and labels in arrays and len(arrays[images]) != len(arrays[labels]):
            yield Finding(
                "error",
                names[labels],
                f"{len(arrays[labels])} labels for {len(arrays[images])} images in {names[images]}",
            )
    train, test = arrays.get(Role.TRAIN_IMAGES), arrays.get(Role.TEST_IMAGES)
    if train is not None and test is not None and train.shape[1:] != test.shape[1:]:
        yield Finding(
            "error", names[Role.TEST_IMAGES], f"images of {_shape(test)}, but training images of {_shape(train)}"
        )
    for role in (Role.TRAIN_IMAGES, Role.TEST_IMAGES):
        if role in arrays:
            yield from _check_images(arrays[role], names[role])
    if Role.TRAIN_LABELS in arrays:
        yield from _check_training_labels(arrays[Role.TRAIN_LABELS], names[Role.TRAIN_LABELS])
        if Role.TEST_LABELS in arrays:
            yield from _check_test_labels(arrays, names)


def count_classes(train_labels: NDArray[np.uint8]) -> int:
    """Number of classes: labels run from 0 (or 1, leaving class 0 unused) to the highest one."""
    return int(train_labels.max()) + 1


def _check_images(images: NDArray[np.uint8], name: str) -> Iterator[Finding]:
    least, most, blank = 255, 0, 0
    for block in blocks(images):
        flat = block.reshape(len(block), -1)
        # min and max along each image, without the four-fold copy that a comparison would make
        lows, highs = flat.min(axis=1), flat.max(axis=1)
        least, most = min(least, int(lows.min())), max(most, int(highs.max()))
        blank += int(np.count_nonzero(lows == highs))
    if least == most:
        yield Finding("error", name, f"every pixel of every image is {least}")
    elif blank:
        yield Finding("warning", name, f"{blank} of {len(images)} images are blank")


def _check_training_labels(labels: NDArray[np.uint8], name: str) -> Iterator[Finding]:
    counts = np.bincount(labels)
    present = np.flatnonzero(counts)
    highest = int(present[-1])
    if len(present) == 1:
        yield Finding("error", name, f"every label is {highest}: there is nothing to tell apart")
        return
    missing = [label for label in range(1, highest) if counts[label] == 0]
    others = counts[present[:-1]]
    if missing:
        # With one stray value the gap lies below it; with a forgotten class it lies among the others.
        odd = int(present[np.searchsorted(present, missing[0])])
        yield Finding(
            "error",
            name,
            f"label {odd} at index {int(np.argmax(labels == odd))} is out of range: no image has label "
            f"{missing[0]}, and labels must run without a gap",
        )
    elif counts[highest] < _RARE * float(others.mean()):
        yield Finding(
            "error",
            name,
            f"label {highest} at index {int(np.argmax(labels == highest))} is out of range: it stands "
            f"{int(counts[highest])} time(s), other labels {int(others.mean())} times on average",
        )
    elif int(others.min()) * 20 < int(others.max()):
        yield Finding(
            "warning", name, f"classes are unbalanced: {int(others.min())} to {int(others.max())} images each"
        )


def _check_test_labels(arrays: Mapping[Role, NDArray[np.uint8]], names: Mapping[Role, str]) -> Iterator[Finding]:
    train, test = arrays[Role.TRAIN_LABELS], arrays[Role.TEST_LABELS]
    name = names[Role.TEST_LABELS]
    unknown = np.flatnonzero(~np.isin(test, np.unique(train)))
    if unknown.size:
        yield Finding(
            "error", name, f"label {test[unknown[0]]} at index {unknown[0]} is out of range: no training image has it"
        )
    absent = np.setdiff1d(np.unique(train), np.unique(test))
    if absent.size:
        yield Finding("warning", name, f"no test image has label {', '.join(map(str, absent[:10].tolist()))}")


def _shape(images: NDArray[np.uint8]) -> str:
    return "x".join(str(size) for size in images.shape[1:])
