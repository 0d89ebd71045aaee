"""From pictures in folders, one for each class, to the four IDX files."""

from mnist_trainer.data.convert.conversion import Converted, ConvertOptions, convert

__all__ = ["ConvertOptions", "Converted", "convert"]
