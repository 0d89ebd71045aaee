"""Sees to it that a training's dataset is in the local store."""

from __future__ import annotations

import hashlib
from pathlib import Path

from mnist_trainer.data.files import CLASSES_FILE, Role, find_files, match_role
from mnist_trainer.data.sources import dataset_files
from mnist_trainer.errors import DatasetNotFoundError, InvalidConfigError
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address

Files = dict[Role, Path]


def check_folder(data: Path | None) -> Files | None:
    """The files of a dataset in a folder; None without one.

    Raises InvalidConfigError, DatasetNotFoundError or DatasetInvalidError for a bad one.
    """
    if data is None:
        return None
    if not data.is_dir():
        raise InvalidConfigError(f"--data {data}: there is no such folder")
    return dataset_files(data)


def seed(store: ObjectStore, address: S3Address, data: Files | None) -> str:
    """Put a dataset at `address`: `data` if given, else what is there already, else the offline digits.

    Returns a phrase that says which it was.
    """
    store.make_bucket(address)
    there = {info.address.name: info for info in store.list(address) if _is_part(info.address.name)}
    if data:
        return _from_folder(store, address, data, there)
    try:
        find_files(there, str(address))
    except DatasetNotFoundError:
        return _digits(store, address)
    return "already there"


def _from_folder(store: ObjectStore, address: S3Address, files: Files, there: dict[str, ObjectInfo]) -> str:
    folder = files[Role.TRAIN_IMAGES].parent
    names = folder / CLASSES_FILE
    paths = [*files.values(), *([names] if names.is_file() else [])]
    sent = _send(store, address, paths, there)
    # A file of the same role under another name would be taken instead, and names belong to their dataset.
    for name in there.keys() - {path.name for path in paths}:
        store.delete(address.child(name))
    return f"from {folder}" if sent else f"from {folder}, already there"


def _digits(store: ObjectStore, address: S3Address) -> str:
    from mnist_trainer.data.sources import digits_files

    for name, data in digits_files().items():
        store.put_bytes(address.child(name), data)
    return "the 1,797 offline digits of scikit-learn"


def _is_part(name: str) -> bool:
    return match_role(name) is not None or name == CLASSES_FILE


def _send(store: ObjectStore, address: S3Address, paths: list[Path], there: dict[str, ObjectInfo]) -> int:
    sent = 0
    for path in paths:
        info = there.get(path.name)
        if info is None or info.etag != hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest():
            store.put_file(path, address.child(path.name))
            sent += 1
    return sent
