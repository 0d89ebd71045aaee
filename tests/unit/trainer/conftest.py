from __future__ import annotations

import pytest
from tests.unit.trainer import release_support

from mnist_trainer.data import Dataset
from mnist_trainer.events import Finished


@pytest.fixture
def dataset() -> Dataset:
    """Sixty images of noise in three classes."""
    return release_support.small_dataset()


@pytest.fixture
def finished(dataset: Dataset) -> Finished:
    """Two epochs, two mistakes among ten test images."""
    return release_support.small_training(dataset)
