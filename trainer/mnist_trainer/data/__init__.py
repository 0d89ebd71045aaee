"""Datasets in IDX form: reading, checking, and where to get them.

What reads images is imported when it is first asked for: `mnistctl check` looks for a dataset's files without numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mnist_trainer.data.checks import Finding
    from mnist_trainer.data.dataset import (
        Dataset,
        DatasetSource,
        examine,
        examine_folder,
        load_dataset,
        load_folder,
        verify,
        verify_folder,
    )

__all__ = [
    "Dataset",
    "DatasetSource",
    "Finding",
    "examine",
    "examine_folder",
    "load_dataset",
    "load_folder",
    "verify",
    "verify_folder",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{'checks' if name == 'Finding' else 'dataset'}"), name)
