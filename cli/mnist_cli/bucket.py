"""What can be done with files in a bucket; the commands are thin wrappers around these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mnist_cli.progress import Transfers
from mnist_trainer.errors import BucketNotFoundError, InvalidConfigError
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address


def upload(
    store: ObjectStore, path: Path, address: S3Address, transfers: Transfers, make_bucket: bool = False
) -> list[ObjectInfo]:
    """Upload a file below `address`, or all files of a folder (below its own name if the address is a whole bucket)."""
    if path.is_dir():
        base = address if address.key else address.child(path.resolve().name)
        plan = [(file, base.child(file.relative_to(path).as_posix())) for file in _files(path)]
        if not plan:
            raise InvalidConfigError(f"{path}: there is no file in this folder")
    elif path.is_file():
        plan = [(path, address.child(path.name))]
    else:
        raise InvalidConfigError(f"{path}: there is no such file or folder")
    if make_bucket:
        store.make_bucket(address)
    else:
        _check_bucket(store, address)
    return [_upload_one(store, file, target, transfers) for file, target in plan]


def download(store: ObjectStore, path: Path, address: S3Address, transfers: Transfers) -> list[Path]:
    """Download the object of the file's name below `address` to `path`."""
    return [_download_one(store, address.child(path.name), path, transfers)]


def download_all(store: ObjectStore, folder: Path, address: S3Address, transfers: Transfers) -> list[Path]:
    """Download everything below `address` into a folder."""
    found = list(store.list(address))
    if not found:
        raise InvalidConfigError(f"{address}: there is nothing to download")
    return [_download_one(store, info.address, folder / relative(info.address, address), transfers) for info in found]


def relative(address: S3Address, base: S3Address) -> str:
    """The key of an object below `base`."""
    return address.key.removeprefix(f"{base.key}/") if base.key else address.key


def _check_bucket(store: ObjectStore, address: S3Address) -> None:
    try:
        store.check(S3Address(address.bucket))
    except BucketNotFoundError as error:
        raise BucketNotFoundError(f"{error.message}; --make-bucket makes it") from None


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        # Hidden files are editors' and our own partial downloads.
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _upload_one(store: ObjectStore, file: Path, target: S3Address, transfers: Transfers) -> ObjectInfo:
    info = store.put_file(file, target, progress=transfers.file(file.name))
    transfers.finish(str(target), info.size)
    return info


def _download_one(store: ObjectStore, source: S3Address, path: Path, transfers: Transfers) -> Path:
    info = store.get_file(source, path, progress=transfers.file(path.name))
    transfers.finish(str(path), info.size)
    return path
