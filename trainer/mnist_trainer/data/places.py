"""Where a dataset's files lie: below an address of the object store, or in a folder."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Protocol

from mnist_trainer.errors import DatasetNotFoundError, ObjectNotFoundError
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address

_HEAD_BYTES = 4096
_MAX_BELOW = 10_000  # files


class Place(Protocol):
    """A flat collection of files. `where` and `full_name` are for messages."""

    where: str
    is_local: bool

    def sizes(self) -> dict[str, int]:
        """Bytes of each file by name. Raises DatasetNotFoundError, or what the store raises."""
        ...

    def below(self) -> list[str]:
        """Paths of some files in folders below, for hints; of the last :meth:`sizes`."""
        ...

    def versions(self) -> dict[str, str]:
        """What changes when a file changes, by name; of the last :meth:`sizes`."""
        ...

    def head(self, name: str) -> bytes:
        """The beginning of a file."""
        ...

    def read(self, name: str, max_bytes: int) -> bytes:
        """The whole of a file. Raises DatasetNotFoundError, ObjectTooLargeError."""
        ...

    def file(self, name: str, scratch: Path) -> Path:
        """The file on this machine's disk: its own, or fetched to `scratch`."""
        ...

    def full_name(self, name: str) -> str:
        """The file's name in messages."""
        ...


class InStore:
    """Below an address."""

    is_local = False

    def __init__(self, store: ObjectStore, address: S3Address) -> None:
        self.where = str(address)
        self._store = store
        self._address = address
        self._found: dict[str, ObjectInfo] = {}
        self._below: list[str] = []

    def sizes(self) -> dict[str, int]:
        """From a listing; objects in folders below are no part of it."""
        prefix = f"{self._address.key}/" if self._address.key else ""
        found = {info.address.key.removeprefix(prefix): info for info in self._store.list(self._address)}
        self._found = {name: info for name, info in found.items() if "/" not in name}
        self._below = [name for name in found if "/" in name]
        return {name: info.size for name, info in self._found.items()}

    def below(self) -> list[str]:
        return self._below

    def versions(self) -> dict[str, str]:
        """Etags and sizes."""
        return {name: f"{info.etag} {info.size} {info.modified}" for name, info in self._found.items()}

    def head(self, name: str) -> bytes:
        return self._store.get_head(self._address.child(name), _HEAD_BYTES)

    def read(self, name: str, max_bytes: int) -> bytes:
        try:
            return self._store.get_bytes(self._address.child(name), max_bytes=max_bytes)
        except ObjectNotFoundError:
            raise self._gone(name) from None

    def file(self, name: str, scratch: Path) -> Path:
        try:
            self._store.get_file(self._address.child(name), scratch)
        except ObjectNotFoundError:
            raise self._gone(name) from None
        return scratch

    def full_name(self, name: str) -> str:
        return str(self._address.child(name))

    def _gone(self, name: str) -> DatasetNotFoundError:
        return DatasetNotFoundError(f"{self.full_name(name)}: disappeared while the dataset was read")


class InFolder:
    """In a folder of this machine."""

    is_local = True

    def __init__(self, path: Path) -> None:
        self.where = str(path)
        self._path = path

    def sizes(self) -> dict[str, int]:
        """Of the files, not of those in folders below."""
        try:
            return {entry.name: entry.stat().st_size for entry in self._path.iterdir() if entry.is_file()}
        except OSError as error:
            raise DatasetNotFoundError(f"{self._path}: {error.strerror or error}") from None

    def below(self) -> list[str]:
        """Those of three levels."""
        patterns = ("*/*", "*/*/*", "*/*/*/*")
        found = (path for pattern in patterns for path in self._path.glob(pattern) if path.is_file())
        return [path.relative_to(self._path).as_posix() for path in itertools.islice(found, _MAX_BELOW)]

    def versions(self) -> dict[str, str]:
        """Sizes and times of change."""
        stats = {entry.name: entry.stat() for entry in self._path.iterdir() if entry.is_file()}
        return {name: f"{stat.st_size} {stat.st_mtime_ns} {stat.st_ino}" for name, stat in stats.items()}

    def head(self, name: str) -> bytes:
        return self._bytes(name, _HEAD_BYTES)

    def read(self, name: str, max_bytes: int) -> bytes:
        return self._bytes(name, -1)

    def file(self, name: str, scratch: Path) -> Path:
        return self._path / name

    def full_name(self, name: str) -> str:
        return str(self._path / name)

    def _bytes(self, name: str, count: int) -> bytes:
        try:
            with (self._path / name).open("rb") as file:
                return file.read(count)
        except OSError as error:
            raise DatasetNotFoundError(f"{self.full_name(name)}: {error.strerror or error}") from None
