"""Pictures to read: the files below a folder, or the members of a zip archive (which is never unpacked to disk)."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mnist_trainer.errors import DatasetInvalidError, DatasetNotFoundError

MOST_BYTES = 64 << 20
"""Of one picture's file."""
_MOST_MEMBERS = 5_000_000
_MOST_BYTES_OF_ALL = 256 << 30  # what a zip archive may announce in sum


class Collection(Protocol):
    """Where pictures come from. `read` may be called from several threads."""

    def names(self) -> list[str]:
        """Paths of all files, with "/" between folders."""
        ...

    def read(self, name: str, limit: int | None = None) -> bytes:
        """A file's content, up to `limit` bytes (`MOST_BYTES` if None). Raises DatasetInvalidError, naming the file."""
        ...


@contextmanager
def open_collection(path: Path, single: tuple[str, ...] = ()) -> Iterator[Collection]:
    """A folder, a zip file, or one file that ends as in `single`. Raises DatasetNotFoundError, DatasetInvalidError."""
    if path.is_dir():
        yield _Folder(path)
    elif not path.exists():
        raise DatasetNotFoundError(f"{path}: there is no such folder or zip file")
    elif path.name.lower().endswith(single):
        yield _File(path)
    else:
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # noqa: BLE001  (damaged archives raise all kinds of errors)
            raise DatasetInvalidError(
                f"{path}: neither a folder nor a zip file that can be read, nor {', '.join(single)}: {error}"
            ) from None
        with archive:
            yield _Zip(path, archive)


def too_large(name: str, limit: int) -> DatasetInvalidError:
    """The error for a file beyond the limit."""
    return DatasetInvalidError(f"{name}: larger than {limit >> 20} MiB, too large for one file of a dataset")


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        found = []
        for folder, _, files in os.walk(self._path, onerror=_refused):
            below = Path(folder).relative_to(self._path)
            found += [(below / file).as_posix() for file in files]
        return found

    def read(self, name: str, limit: int | None = None) -> bytes:
        return _read(self._path / name, MOST_BYTES if limit is None else limit)


class _File:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        return [self._path.name]

    def read(self, name: str, limit: int | None = None) -> bytes:
        return _read(self._path, MOST_BYTES if limit is None else limit)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise DatasetInvalidError(f"{path}: {error.strerror or error}") from None
    if len(data) > limit:
        raise too_large(str(path), limit)
    return data


def _refused(error: OSError) -> None:
    raise DatasetInvalidError(f"{error.filename}: {error.strerror or error}") from None


class _Zip:
    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path = path
        self._archive = archive
        self._members: dict[str, zipfile.ZipInfo] = {}
        infos = archive.infolist()
        if len(infos) > _MOST_MEMBERS or sum(info.file_size for info in infos) > _MOST_BYTES_OF_ALL:
            raise DatasetInvalidError(f"{path}: announces {len(infos)} files of more bytes than a dataset can have")
        for info in infos:
            name = info.filename.replace("\\", "/")
            if info.is_dir():
                continue
            if name in self._members:
                raise DatasetInvalidError(f"{path}: holds {name} twice")
            self._members[name] = info

    def names(self) -> list[str]:
        return list(self._members)

    def read(self, name: str, limit: int | None = None) -> bytes:
        limit = MOST_BYTES if limit is None else limit
        info = self._members[name]
        shown = f"{self._path}: {name}"
        if info.flag_bits & 1:
            raise DatasetInvalidError(f"{shown}: is encrypted")
        if info.file_size > limit:
            raise too_large(shown, limit)
        try:
            with self._archive.open(info) as member:
                # One more than allowed, since a header can lie about the size; nothing beyond it is inflated.
                data = member.read(limit + 1)
        except Exception as error:  # noqa: BLE001  (zipfile raises whatever its decompressors raise)
            raise DatasetInvalidError(f"{shown}: cannot be unpacked: {error or type(error).__name__}") from None
        if len(data) > limit:
            raise too_large(shown, limit)
        return data
