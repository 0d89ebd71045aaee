"""Datasets in IDX form: reading, checking, and where to get them."""

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
from mnist_trainer.data.findings import Finding

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
