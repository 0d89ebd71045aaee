"""The order of things in a conversion: divide the pictures, decide about inverting, write the four files.

The files are written picture by picture, and appear only when all of them are complete.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data.convert.source import Source, open_source
from mnist_trainer.data.convert.tree import Picture, Tree, divide
from mnist_trainer.data.files import CLASSES_FILE, Role, encode_class_names, match_role
from mnist_trainer.data.idx import header, write_idx
from mnist_trainer.data.pictures import MODES, border_level, fitted, without_warnings
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError
from mnist_trainer.localdisk import disk_problem

_LEVEL = 6
_SAMPLE = 200  # pictures that decide about inverting
_TOGETHER = 256

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert. Raises InvalidConfigError for what cannot be.

    `test_share` None means a tenth, where the source is not divided already; `tile` is the height and width of one
    picture on a sheet of many.
    """

    height: int = 28
    width: int = 28
    channels: int = 1
    test_share: float | None = None
    seed: int = 0
    invert: Literal["auto", "yes", "no"] = "auto"
    tile: tuple[int, int] = (28, 28)

    def __post_init__(self) -> None:
        if not (1 <= self.height <= 1024 and 1 <= self.width <= 1024):
            raise InvalidConfigError(f"--size {self.height}x{self.width}: sides of 1 to 1024 pixels are possible")
        if self.channels not in (1, 3, 4):
            raise InvalidConfigError(f"--channels {self.channels}: 1 (grey), 3 (RGB) or 4 (RGBA) are possible")
        if self.test_share is not None and not 0 < self.test_share < 1:
            raise InvalidConfigError(f"--test-share {self.test_share}: must lie between 0 and 1")
        if self.invert not in ("auto", "yes", "no"):
            raise InvalidConfigError(f"--invert {self.invert}: auto, yes or no are possible")


@dataclass(frozen=True)
class Converted:
    """What came of it. `skipped` counts files that are no pictures."""

    train: int
    test: int
    classes: list[str]
    inverted: bool
    skipped: int
    without_test: list[str]


def convert(
    source: Path, target: Path, options: ConvertOptions, progress: Progress | None = None, replace: bool = False
) -> Converted:
    """Write a source's pictures (see :mod:`.source`) to `target` as the four IDX files, with the classes' names.

    The same pictures and options give the same files. Raises DatasetNotFoundError, DatasetInvalidError (both name the
    file), InvalidConfigError, OutOfSpaceError; then nothing is left behind.
    """
    with without_warnings(), open_source(source, options.tile) as opened:
        tree = opened.tree
        train, test = _divided(tree, options, source)
        work = _Work(opened, options, progress)
        with _fresh_folder(target, replace) as folder:
            invert = work.decide_to_invert()
            work.write(folder, train, Role.TRAIN_IMAGES, Role.TRAIN_LABELS, invert)
            work.write(folder, test, Role.TEST_IMAGES, Role.TEST_LABELS, invert)
            (folder / CLASSES_FILE).write_bytes(_class_names(tree))
    tested = {picture.label for picture in test}
    without = [name for name in tree.classes if name not in tested]
    return Converted(len(train), len(test), tree.classes, invert, tree.skipped, without)


def _divided(tree: Tree, options: ConvertOptions, source: Path) -> tuple[list[Picture], list[Picture]]:
    given = any(picture.is_test is not None for picture in tree.pictures)
    if given and options.test_share is not None:
        raise InvalidConfigError(f"--test-share: {source} is divided into training and test images already")
    train, test = divide(tree.pictures, 0.1 if options.test_share is None else options.test_share, options.seed)
    trained = {picture.label for picture in train}
    missing = [name for name in tree.classes if name not in trained]
    if missing:
        raise DatasetInvalidError(f"{source}: class {missing[0]} has test images but no training images")
    if not test:
        raise DatasetInvalidError(f"{source}: every class has only one picture, so that none is left for testing")
    return train, test


class _Work:
    def __init__(self, source: Source, options: ConvertOptions, progress: Progress | None) -> None:
        self._source = source
        self._tree = source.tree
        self._options = options
        self._progress = progress
        self._total = len(source.tree.pictures)
        self._done = 0

    def decide_to_invert(self) -> bool:
        """One answer for the whole dataset: ink is to be bright on black, as in MNIST; colours are left alone."""
        options = self._options
        if options.invert != "auto" or options.channels != 1:
            return options.invert == "yes"
        step = max(1, len(self._tree.pictures) // _SAMPLE)
        bright = [border_level(pixels) > 127 for pixels in self._pixels(self._tree.pictures[::step])]
        return 2 * sum(bright) > len(bright)

    def write(self, folder: Path, pictures: Sequence[Picture], images: Role, labels: Role, invert: bool) -> None:
        options = self._options
        shape: tuple[int, ...] = (len(pictures), options.height, options.width)
        shape = shape if options.channels == 1 else (*shape, options.channels)
        _write_images(folder / _file_name(images), shape, self._counted(self._pixels(pictures), invert))
        number = {name: label for label, name in enumerate(self._tree.classes, self._tree.first_label)}
        values = np.array([number[picture.label] for picture in pictures], dtype=np.uint8)
        (folder / _file_name(labels)).write_bytes(write_idx(values, compress=True))

    def _counted(self, pixels: Iterable[NDArray[np.uint8]], invert: bool) -> Iterator[NDArray[np.uint8]]:
        for image in pixels:
            yield _inverted(image) if invert else image
            self._done += 1
            if self._progress:
                self._progress(self._done, self._total)

    def _pixels(self, pictures: Sequence[Picture]) -> Iterator[NDArray[np.uint8]]:
        # Pillow releases the interpreter while it decodes and scales; only so many results wait to be written.
        with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="pictures") as pool:
            for start in range(0, len(pictures), _TOGETHER):
                yield from pool.map(self._decode, pictures[start : start + _TOGETHER])

    def _decode(self, picture: Picture) -> NDArray[np.uint8]:
        options = self._options
        return fitted(self._source.load(picture, MODES[options.channels]), options.height, options.width)


def _inverted(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.ndim == 3 and image.shape[2] == 4:  # colours, not opacity
        return np.concatenate([255 - image[..., :3], image[..., 3:]], axis=-1)
    return 255 - image


def _class_names(tree: Tree) -> bytes:
    counts = Counter(picture.label for picture in tree.pictures)
    names = dict(enumerate(tree.classes, tree.first_label))
    return encode_class_names(names, {label: counts[name] for label, name in names.items()})


@contextlib.contextmanager
def _fresh_folder(target: Path, replace: bool) -> Iterator[Path]:
    """A folder to write in; what is in it goes to `target` at the end, and nothing if the body raises.

    Raises InvalidConfigError if `target` holds a dataset already, unless that may be replaced; OutOfSpaceError.
    """
    _check_target(target, replace)
    partial = target.parent / f".{target.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part"
    try:
        partial.mkdir(parents=True)
        yield partial
        _move(partial, target)
    except OSError as error:
        raise disk_problem(error, target) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_images(path: Path, shape: tuple[int, ...], images: Iterator[NDArray[np.uint8]]) -> None:
    """An IDX file (gzipped, the same bytes for the same images) of `shape` [N, H, W] or [N, H, W, C]."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as file:
        file.write(header(np.dtype(np.uint8), shape))
        for image in images:
            file.write(np.ascontiguousarray(image).data)


def _check_target(target: Path, replace: bool) -> None:
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


def _file_name(role: Role) -> str:
    """The name of the gzipped file."""
    return f"{role.value}.gz"
