"""The 1,797 real handwritten digits that scikit-learn ships, as 28x28 IDX files: a dataset that needs no connection.

E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49 (its test part, 8x8 pixels of 17 grey levels).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.files import Role
from mnist_trainer.data.idx import write_idx
from mnist_trainer.data.sources.folder import write_atomically
from mnist_trainer.errors import InvalidConfigError

_SIDE = 28
_DIGIT = 20  # MNIST's digits fill 20x20 pixels in the middle of 28x28
_TEST_EVERY = 5


def write_digits(folder: Path) -> list[Path]:
    """Write the four files of :func:`digits_files` into a folder. Raises OutOfSpaceError, or as that function."""
    paths = []
    for name, data in digits_files().items():
        write_atomically(folder / name, data)
        paths.append(folder / name)
    return paths


def digits_files() -> dict[str, bytes]:
    """Names and contents of the four files (gzipped), always the same: 1,437 training and 360 test images.

    The split is stratified: of the images sorted by label, every fifth is for testing. Raises InvalidConfigError
    without scikit-learn.
    """
    images, labels = _load()
    order = np.argsort(labels, kind="stable")
    is_test = np.zeros(len(labels), dtype=bool)
    is_test[order[::_TEST_EVERY]] = True
    arrays = {
        Role.TRAIN_IMAGES: images[~is_test],
        Role.TRAIN_LABELS: labels[~is_test],
        Role.TEST_IMAGES: images[is_test],
        Role.TEST_LABELS: labels[is_test],
    }
    return {f"{role.value}.gz": write_idx(array, compress=True) for role, array in arrays.items()}


def _load() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InvalidConfigError("the offline digits need scikit-learn: pip install scikit-learn") from None
    digits = load_digits()
    return enlarge(np.asarray(digits.images, dtype=np.int64)), np.asarray(digits.target, dtype=np.uint8)


def enlarge(small: NDArray[np.int64]) -> NDArray[np.uint8]:
    """From [N, 8, 8] in 0..16 to [N, 28, 28] in 0..255: bilinear to 20x20, centred, ink bright as in MNIST.

    In whole numbers throughout, so that every machine makes the same bytes (and the dataset has one digest).
    """
    weights, unit = _bilinear(small.shape[1], _DIGIT)
    scale = 16 * unit * unit
    large = (weights @ small @ weights.T * 255 + scale // 2) // scale
    margin = (_SIDE - _DIGIT) // 2
    return np.pad(large, ((0, 0), (margin, margin), (margin, margin))).astype(np.uint8)


def _bilinear(source: int, target: int) -> tuple[NDArray[np.int64], int]:
    """Interpolation matrix [target, source] with aligned pixel edges, in multiples of 1/unit; and that unit."""
    unit = 2 * target
    position = np.clip((2 * np.arange(target) + 1) * source - target, 0, (source - 1) * unit)
    left = np.minimum(position // unit, source - 2)
    matrix = np.zeros((target, source), dtype=np.int64)
    rows = np.arange(target)
    matrix[rows, left + 1] = position - left * unit
    matrix[rows, left] = unit - matrix[rows, left + 1]
    return matrix, unit
