"""Small IDX datasets for tests, right or damaged on purpose."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mnist_trainer.data.files import Role
from mnist_trainer.data.idx import write_idx


def small_dataset(
    train: int = 40, test: int = 20, side: int = 8, classes: int = 10, seed: int = 0
) -> dict[Role, np.ndarray]:
    """Arrays of a valid dataset: each class equally often, pixels at random."""
    random = np.random.default_rng(seed)
    return {
        Role.TRAIN_IMAGES: random.integers(0, 256, (train, side, side), dtype=np.uint8),
        Role.TRAIN_LABELS: (np.arange(train) % classes).astype(np.uint8),
        Role.TEST_IMAGES: random.integers(0, 256, (test, side, side), dtype=np.uint8),
        Role.TEST_LABELS: (np.arange(test) % classes).astype(np.uint8),
    }


def encode(arrays: dict[Role, np.ndarray], compress: bool = True) -> dict[str, bytes]:
    """File names and contents of a dataset."""
    return {role.value + (".gz" if compress else ""): write_idx(array, compress) for role, array in arrays.items()}


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder
