"""A dataset in memory, loaded from the object store or a folder and checked on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.data import checks, idx
from mnist_trainer.data.files import Role, find_files
from mnist_trainer.data.findings import Finding
from mnist_trainer.errors import DatasetInvalidError, DatasetNotFoundError, ObjectNotFoundError, TrainerError
from mnist_trainer.store import ObjectStore, S3Address

Array = NDArray[np.uint8]


@dataclass(frozen=True)
class Dataset:
    """Images uint8 [N, H, W] or [N, H, W, C], labels uint8 [N], all read-only. `digest` is over the decoded content.

    `classes` is the highest training label plus one.
    """

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array
    digest: str
    classes: int


class _Files(Protocol):
    """Where files come from."""

    where: str

    def names(self) -> Iterable[str]: ...

    def read(self, name: str) -> bytes: ...

    def full_name(self, name: str) -> str: ...


def load_dataset(store: ObjectStore, address: S3Address) -> Dataset:
    """Load and check the four IDX files below an address, plain or .gz.

    Raises DatasetNotFoundError, DatasetInvalidError, or what the store raises; messages name the object.
    """
    return _load(_InStore(store, address))


def load_folder(path: Path) -> Dataset:
    """The same from a local folder."""
    return _load(_InFolder(path))


def verify(store: ObjectStore, address: S3Address) -> list[Finding]:
    """Everything that is wrong or odd with the dataset at an address; empty if nothing is."""
    return examine(store, address)[0]


def verify_folder(path: Path) -> list[Finding]:
    """The same for a local folder."""
    return examine_folder(path)[0]


def examine(store: ObjectStore, address: S3Address) -> tuple[list[Finding], Dataset | None]:
    """All findings, and the dataset unless one of them is an error."""
    return _examine(_InStore(store, address))


def examine_folder(path: Path) -> tuple[list[Finding], Dataset | None]:
    """The same for a local folder."""
    return _examine(_InFolder(path))


def _load(files: _Files) -> Dataset:
    chosen = find_files(files.names(), files.where)
    names = {role: files.full_name(name) for role, name in chosen.items()}
    results = _read_all(files, chosen)
    for result in results.values():
        if isinstance(result, TrainerError):
            raise result
    arrays = {role: result for role, result in results.items() if not isinstance(result, TrainerError)}
    errors = [finding for finding in checks.check(arrays, names) if finding.severity == "error"]
    if errors:
        raise DatasetInvalidError(str(errors[0]) + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""))
    return _dataset(arrays)


def _examine(files: _Files) -> tuple[list[Finding], Dataset | None]:
    try:
        chosen = find_files(files.names(), files.where)
    except (DatasetInvalidError, DatasetNotFoundError) as error:
        return [Finding("error", files.where, error.message.removeprefix(f"{files.where}: "))], None
    names = {role: files.full_name(name) for role, name in chosen.items()}
    findings: list[Finding] = []
    arrays: dict[Role, Array] = {}
    for role, result in _read_all(files, chosen).items():
        if isinstance(result, (DatasetInvalidError, DatasetNotFoundError)):
            findings.append(Finding("error", names[role], result.message.removeprefix(f"{names[role]}: ")))
        elif isinstance(result, TrainerError):
            raise result
        else:
            arrays[role] = result
    findings += checks.check(arrays, names)
    usable = all(finding.severity != "error" for finding in findings)
    return findings, _dataset(arrays) if usable else None


def _dataset(arrays: dict[Role, Array]) -> Dataset:
    return Dataset(
        arrays[Role.TRAIN_IMAGES],
        arrays[Role.TRAIN_LABELS],
        arrays[Role.TEST_IMAGES],
        arrays[Role.TEST_LABELS],
        digest=_digest(arrays),
        classes=checks.count_classes(arrays[Role.TRAIN_LABELS]),
    )


def _read_all(files: _Files, chosen: dict[Role, str]) -> dict[Role, Array | TrainerError]:
    def read(role: Role) -> Array | TrainerError:
        decode = idx.read_images if role.is_images else idx.read_labels
        name = files.full_name(chosen[role])
        try:
            return decode(files.read(chosen[role]), name)
        except TrainerError as error:
            return error

    # Inflating and the network release the interpreter, so threads overlap them.
    with ThreadPoolExecutor(len(Role), thread_name_prefix="dataset") as pool:
        return dict(zip(chosen, pool.map(read, chosen), strict=True))


def _digest(arrays: dict[Role, Array]) -> str:
    def line(role: Role) -> str:
        array = arrays[role]
        content = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        return f"{role.value} {'x'.join(map(str, array.shape))} {content}\n"

    with ThreadPoolExecutor(len(Role), thread_name_prefix="digest") as pool:
        return hashlib.sha256("".join(pool.map(line, Role)).encode()).hexdigest()


class _InStore:
    def __init__(self, store: ObjectStore, address: S3Address) -> None:
        self.where = str(address)
        self._store = store
        self._address = address

    def names(self) -> Iterable[str]:
        prefix = f"{self._address.key}/" if self._address.key else ""
        keys = (found.address.key.removeprefix(prefix) for found in self._store.list(self._address))
        return [key for key in keys if "/" not in key]

    def read(self, name: str) -> bytes:
        try:
            return self._store.get_bytes(self._address.child(name), max_bytes=idx.MAX_BYTES)
        except ObjectNotFoundError:
            raise DatasetNotFoundError(f"{self.full_name(name)}: disappeared while the dataset was read") from None

    def full_name(self, name: str) -> str:
        return str(self._address.child(name))


class _InFolder:
    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path

    def names(self) -> Iterable[str]:
        try:
            return [entry.name for entry in self._path.iterdir() if entry.is_file()]
        except OSError as error:
            raise DatasetNotFoundError(f"{self._path}: {error.strerror or error}") from None

    def read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except OSError as error:
            raise DatasetNotFoundError(f"{self.full_name(name)}: {error.strerror or error}") from None

    def full_name(self, name: str) -> str:
        return str(self._path / name)
