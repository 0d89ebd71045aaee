"""The four files, written picture by picture, that appear only when all of them are complete."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.files import Role, match_role
from mnist_trainer.data.idx import header
from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.localdisk import disk_problem

_LEVEL = 6


@contextlib.contextmanager
def fresh_folder(target: Path, replace: bool) -> Iterator[Path]:
    """A folder to write in; what is in it goes to `target` at the end, and nothing if the body raises.

    Raises InvalidConfigError if `target` holds a dataset already, unless that may be replaced; OutOfSpaceError.
    """
    _check(target, replace)
    partial = target.parent / f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part"
    try:
        partial.mkdir(parents=True)
        yield partial
        _move(partial, target)
    except OSError as error:
        raise disk_problem(error, target) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_images(path: Path, shape: tuple[int, ...], images: Iterator[NDArray[np.uint8]]) -> None:
    """An IDX file (gzipped, the same bytes for the same images) of `shape` [N, H, W] or [N, H, W, C]."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as file:
        file.write(header(np.dtype(np.uint8), shape))
        for image in images:
            file.write(np.ascontiguousarray(image).data)


def _check(target: Path, replace: bool) -> None:
    if target.exists() and not target.is_dir():
        raise InvalidConfigError(f"{target}: is a file; the dataset needs a folder")
    if not replace and _dataset_files(target):
        raise InvalidConfigError(f"{target}: there is a dataset already; --force replaces it")


def _dataset_files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if match_role(path.name)] if folder.is_dir() else []


def _move(partial: Path, target: Path) -> None:
    if target.is_dir() and any(target.iterdir()):
        # Those of other names too: a plain file would be read before a gzipped one.
        for path in _dataset_files(target):
            if not (partial / path.name).exists():
                path.unlink()
        for path in partial.iterdir():
            path.replace(target / path.name)
        return
    with contextlib.suppress(FileNotFoundError):
        target.rmdir()
    partial.rename(target)


def file_name(role: Role) -> str:
    """The name of the gzipped file."""
    return f"{role.value}.gz"
