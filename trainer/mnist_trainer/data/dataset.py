"""A dataset, loaded from the object store or a folder and checked: in memory, or on disk where it is large."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data import checks, idx
from mnist_trainer.data.checks import Finding
from mnist_trainer.data.disk import DiskImages, ImageFile, blocks, dataset_memory
from mnist_trainer.data.files import (
    CLASSES_FILE,
    MAX_CLASSES_BYTES,
    Role,
    find_files,
    find_twins,
    is_sideways,
    read_class_names,
)
from mnist_trainer.data.places import InFolder, InStore, Place
from mnist_trainer.errors import DatasetInvalidError, DatasetNotFoundError, TrainerError
from mnist_trainer.store import ObjectStore, S3Address

Array = NDArray[np.uint8]

logger = logging.getLogger(__name__)

_USUAL_RATIO = 64  # images do not deflate better: smaller files need no look at what they announce


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, H, W] or [N, H, W, C], labels uint8 [N], all read-only. `digest` is over the decoded content.

    `classes` is the highest training label plus one. Where `source` is set, the images are mapped files, perhaps larger
    than the memory: take a part of them at a time.
    """

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    digest: str
    classes: int
    source: DatasetSource | None = None
    class_names: tuple[str, ...] = ()
    """One for each class, or none at all."""

    def portable(self) -> Dataset | DatasetSource:
        """What to send to another process, which calls `open` on it: everything, or where large images come from."""
        return self.source or self

    def open(self) -> Dataset:
        """The dataset itself."""
        return self


@dataclass(frozen=True)
class DatasetSource:
    """A dataset whose images are fetched by each node for itself. It carries the credentials of its store."""

    place: Place
    images: dict[Role, ImageFile]
    train_labels: Array
    test_labels: Array
    digest: str
    classes: int
    class_names: tuple[str, ...] = ()

    def open(self) -> Dataset:
        """Have the images on this node's disk: fetched once for all its processes, and the same as were checked.

        Raises DatasetInvalidError if they have changed, OutOfSpaceError, or what the store raises.
        """
        disk = DiskImages(self.place, self.images, random_access=True)
        try:
            train, test = disk.read(Role.TRAIN_IMAGES), disk.read(Role.TEST_IMAGES)
        finally:
            disk.close()
        return Dataset(
            train, self.train_labels, test, self.test_labels, self.digest, self.classes, self, self.class_names
        )


def load_dataset(store: ObjectStore, address: S3Address, memory: int | None = None) -> Dataset:
    """Load and check the four IDX files below an address, plain or .gz.

    Beyond `memory` bytes (see :func:`dataset_memory`) images go to this node's disk. Raises DatasetNotFoundError,
    DatasetInvalidError, OutOfSpaceError, or what the store raises; messages name the object.
    """
    return _load(InStore(store, address), memory)


def load_folder(path: Path, memory: int | None = None) -> Dataset:
    """The same from a local folder."""
    return _load(InFolder(path), memory)


def verify(store: ObjectStore, address: S3Address) -> list[Finding]:
    """Everything that is wrong or odd with the dataset at an address; empty if nothing is."""
    return examine(store, address)[0]


def verify_folder(path: Path) -> list[Finding]:
    """The same for a local folder."""
    return examine_folder(path)[0]


def examine(store: ObjectStore, address: S3Address, memory: int | None = None) -> tuple[list[Finding], Dataset | None]:
    """All findings, and the dataset unless one of them is an error."""
    return _examine(InStore(store, address), memory)


def examine_folder(path: Path, memory: int | None = None) -> tuple[list[Finding], Dataset | None]:
    """The same for a local folder."""
    return _examine(InFolder(path), memory)


def _load(place: Place, memory: int | None) -> Dataset:
    sizes = place.sizes()
    read = _Reading(place, find_files(sizes, place.where, place.below), sizes, memory)
    for result in read.results.values():
        if isinstance(result, TrainerError):
            raise result
    errors = [finding for finding in checks.check(read.arrays, read.names) if finding.severity == "error"]
    if errors:
        raise DatasetInvalidError(str(errors[0]) + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""))
    names = read.class_names()
    if isinstance(names, DatasetInvalidError):
        logger.warning("%s; going on without the classes' names", names.message)
    return read.dataset(names)


def _examine(place: Place, memory: int | None) -> tuple[list[Finding], Dataset | None]:
    try:
        sizes = place.sizes()
        chosen = find_files(sizes, place.where, place.below)
    except (DatasetInvalidError, DatasetNotFoundError) as error:
        return [Finding("error", place.where, error.message.removeprefix(f"{place.where}: "))], None
    read = _Reading(place, chosen, sizes, memory)
    findings: list[Finding] = []
    for role, result in read.results.items():
        if isinstance(result, (DatasetInvalidError, DatasetNotFoundError)):
            name = read.names[role]
            findings.append(Finding("error", name, result.message.removeprefix(f"{name}: ")))
        elif isinstance(result, TrainerError):
            raise result
    findings += checks.check(read.arrays, read.names)
    if any(finding.severity == "error" for finding in findings):
        return findings, None
    names = read.class_names()
    if isinstance(names, DatasetInvalidError):
        where = place.full_name(CLASSES_FILE)
        findings.append(Finding("warning", where, names.message.removeprefix(f"{where}: ")))
    return findings, read.dataset(names)


class _Reading:
    """The four files of a place, each an array or the error that it gave."""

    def __init__(self, place: Place, chosen: dict[Role, str], sizes: dict[str, int], memory: int | None) -> None:
        self._place = place
        self._chosen = chosen
        self._twins = find_twins(sizes, chosen)
        self._names_bytes = sizes.get(CLASSES_FILE)
        self._memory = dataset_memory() if memory is None else memory
        self._disk: DiskImages | None = None
        self._every: dict[str, ImageFile] = {}
        self._files: dict[Role, ImageFile] = {}
        if self._is_large(sizes):
            versions = place.versions()
            self._every = {name: ImageFile(name, sizes[name], versions[name]) for name in sizes}
            self._files = {role: self._every[name] for role, name in chosen.items() if role.is_images}
            self._disk = DiskImages(place, self._files)
        self.names = {role: place.full_name(name) for role, name in chosen.items()}
        try:
            # Inflating and the network release the interpreter, so threads overlap them.
            with ThreadPoolExecutor(len(Role), thread_name_prefix="dataset") as pool:
                self.results = dict(zip(chosen, pool.map(self._read, chosen), strict=True))
        finally:
            if self._disk:
                self._disk.close()
        self.arrays = {role: array for role, array in self.results.items() if not isinstance(array, TrainerError)}

    def class_names(self) -> tuple[str, ...] | DatasetInvalidError:
        """What ``classes.json`` says, or what is wrong with it; empty without that file."""
        if self._names_bytes is None:
            return ()
        where = self._place.full_name(CLASSES_FILE)
        try:
            if self._names_bytes > MAX_CLASSES_BYTES:
                raise DatasetInvalidError(f"{where}: is too large to be the names of classes")
            data = self._place.read(CLASSES_FILE, MAX_CLASSES_BYTES)
            return read_class_names(data, where, checks.count_classes(self.arrays[Role.TRAIN_LABELS]))
        except (DatasetInvalidError, DatasetNotFoundError) as error:
            return DatasetInvalidError(error.message)

    def dataset(self, class_names: tuple[str, ...] | DatasetInvalidError) -> Dataset:
        """The dataset, once all four arrays are there and good; without names where they are an error."""
        class_names = () if isinstance(class_names, DatasetInvalidError) else class_names
        arrays = self.arrays
        train_labels, test_labels = arrays[Role.TRAIN_LABELS], arrays[Role.TEST_LABELS]
        digest, classes = _digest(arrays), checks.count_classes(train_labels)
        source = None
        if self._disk:
            files = {role: replace(file, sha256=self._disk.digests[role]) for role, file in self._files.items()}
            source = DatasetSource(self._place, files, train_labels, test_labels, digest, classes, class_names)
        images = arrays[Role.TRAIN_IMAGES], arrays[Role.TEST_IMAGES]
        return Dataset(images[0], train_labels, images[1], test_labels, digest, classes, source, class_names)

    def _is_large(self, sizes: dict[str, int]) -> bool:
        """Whether the images need more than the memory that a dataset may take; told from their first bytes."""
        if sum(sizes[name] for name in self._chosen.values()) <= self._memory // _USUAL_RATIO:
            return False
        total = 0
        for role, name in self._chosen.items():
            if role.is_images:
                try:
                    total += int(np.prod(idx.images_shape(self._place.head(name), name), dtype=object))
                except DatasetInvalidError:
                    return False  # which reading it will explain
        return total > self._memory

    def _read(self, role: Role) -> Array | TrainerError:
        name = self._chosen[role]
        try:
            array = self._disk.read(role) if self._disk and role.is_images else self._decoded(role, name)
            for twin in self._twins.get(role, ()):
                self._compare(role, array, twin)
            return array
        except TrainerError as error:
            return error

    def _decoded(self, role: Role, name: str) -> Array:
        decode: Callable[[idx.Buffer, str, int], Array] = idx.read_images if role.is_images else idx.read_labels
        most = max(self._memory, idx.MAX_LABEL_BYTES)
        array = decode(self._place.read(name, most), self._place.full_name(name), most)
        return _upright(array) if is_sideways(name) else array

    def _compare(self, role: Role, array: Array, twin: str) -> None:
        """Raise DatasetInvalidError unless another file of the same name holds the same."""
        if self._disk and role.is_images:
            same = self._disk.digest(self._every[twin]) == self._disk.digests[role]
        else:
            same = np.array_equal(self._decoded(role, twin), array)
        if not same:
            name = self._place.full_name(self._chosen[role])
            raise DatasetInvalidError(f"{name}: {twin} beside it holds something else: remove one of them")


def _upright(images: Array) -> Array:
    images = np.ascontiguousarray(images.swapaxes(1, 2))
    images.flags.writeable = False
    return images


def _digest(arrays: dict[Role, Array]) -> str:
    def line(role: Role) -> str:
        content = hashlib.sha256()
        for block in blocks(arrays[role]):
            content.update(block.data)
        return f"{role.value} {'x'.join(map(str, arrays[role].shape))} {content.hexdigest()}\n"

    with ThreadPoolExecutor(len(Role), thread_name_prefix="digest") as pool:
        return hashlib.sha256("".join(pool.map(line, Role)).encode()).hexdigest()
