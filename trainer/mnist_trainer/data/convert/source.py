"""What a conversion reads, whatever its form: its pictures with their classes, and how to get each of them.

The form is told from the files' names: folders of pictures, one for each class; sheets of pictures, one for each class;
or tables (CSV, npz, parquet), alone or together in a folder or zip archive (which is never unpacked to disk).
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image

from mnist_trainer.data.convert import tables
from mnist_trainer.data.convert.tree import Picture, Tree, is_junk, is_picture, make_tree, sort_out
from mnist_trainer.data.files import match_role
from mnist_trainer.data.pictures import open_picture
from mnist_trainer.errors import DatasetInvalidError, DatasetNotFoundError

MOST_BYTES = 64 << 20
"""Of one picture's file."""
_MOST_MEMBERS = 5_000_000
_MOST_BYTES_OF_ALL = 256 << 30  # what a zip archive may announce in sum


@dataclass(frozen=True)
class Source:
    """Pictures and classes. `load` gives one in a mode of Pillow's and may be called from several threads."""

    tree: Tree
    load: Callable[[Picture, str], Image.Image]


@contextmanager
def open_source(path: Path, tile: tuple[int, int]) -> Iterator[Source]:
    """Read a folder or file; `tile` is the height and width of one picture on a sheet.

    Raises DatasetNotFoundError, DatasetInvalidError; both name the file.
    """
    with _open_collection(path, tables.SUFFIXES) as collection:
        names = sorted(name for name in collection.names() if not is_junk(name))
        pictures = [name for name in names if is_picture(name)]
        listed = [name for name in names if name.lower().endswith(tables.SUFFIXES)]
        if pictures:
            sheets = tables.find_sheets(pictures)
            yield _sheets(path, collection, sheets, tile, len(names)) if sheets else _folders(path, collection)
        elif listed:
            yield _tables(path, collection, listed, len(names))
        elif any(match_role(name.rpartition("/")[2]) for name in names):
            raise DatasetInvalidError(
                f"{path}: holds IDX files, which need no conversion: `mnistctl data upload` takes them as they are"
            )
        else:
            yield _folders(path, collection)  # which says what is missing


def _folders(path: Path, collection: Collection) -> Source:
    def load(picture: Picture, mode: str) -> Image.Image:
        return open_picture(collection.read(picture.name), f"{path}/{picture.name}", mode)

    return Source(sort_out(collection.names(), str(path)), load)


def _sheets(
    path: Path, collection: Collection, sheets: dict[str, tuple[str, bool | None]], tile: tuple[int, int], files: int
) -> Source:
    parts = [
        tables.read_sheet(name, collection.read(name), f"{path}/{name}", label, is_test, tile)
        for name, (label, is_test) in sheets.items()
    ]
    return _of_parts(path, parts, files - len(parts))


def _tables(path: Path, collection: Collection, names: Sequence[str], files: int) -> Source:
    parts: list[tables.Part] = []
    left_out = files - len(names)
    problems = []
    for name in names:
        shown = str(path) if path.name == name else f"{path}/{name}"
        try:
            parts += tables.read_table(name, collection.read(name, tables.MAX_TABLE_BYTES), shown)
        except tables.NoLabelsError as error:  # as Kaggle's test.csv and sample_submission.csv beside its train.csv
            problems.append(error)
            left_out += 1
    if not parts:
        raise problems[0]
    return _of_parts(path, parts, left_out)


def _of_parts(path: Path, parts: Sequence[tables.Part], left_out: int) -> Source:
    splits = {part.is_test for part in parts}
    if None in splits and len(splits) > 1:
        odd = next(part.file for part in parts if part.is_test is None)
        raise DatasetInvalidError(f"{path}: is {odd} for training or for testing? The names of the others tell")
    divided = splits == {True, False}
    found: dict[str, tuple[tables.Part, int]] = {}
    pictures = []
    for part in parts:
        for index, label in enumerate(part.labels):
            name = f"{part.file}#{index}"
            found[name] = part, index
            pictures.append(Picture(name, f"{label}/{index}", label, part.is_test if divided else None))

    def load(picture: Picture, mode: str) -> Image.Image:
        part, index = found[picture.name]
        return part.picture(index, mode)

    return Source(make_tree(pictures, left_out, str(path), "class(es)"), load)


class Collection(Protocol):
    """Where pictures come from. `read` may be called from several threads."""

    def names(self) -> list[str]:
        """Paths of all files, with "/" between folders."""
        ...

    def read(self, name: str, limit: int | None = None) -> bytes:
        """A file's content, up to `limit` bytes (`MOST_BYTES` if None). Raises DatasetInvalidError, naming the file."""
        ...


@contextmanager
def _open_collection(path: Path, single: tuple[str, ...] = ()) -> Iterator[Collection]:
    """A folder, a zip file, or one file that ends as in `single`. Raises DatasetNotFoundError, DatasetInvalidError."""
    if path.is_dir():
        yield _Files(path)
    elif not path.exists():
        raise DatasetNotFoundError(f"{path}: there is no such folder or zip file")
    elif path.name.lower().endswith(single):
        yield _Files(path.parent, path.name)
    else:
        try:
            archive = zipfile.ZipFile(path)
        except Exception as error:  # noqa: BLE001  (damaged archives raise all kinds of errors)
            raise DatasetInvalidError(
                f"{path}: neither a folder nor a zip file that can be read, nor {', '.join(single)}: {error}"
            ) from None
        with archive:
            yield _Zip(path, archive)


def _too_large(name: str, limit: int) -> DatasetInvalidError:
    """The error for a file beyond the limit."""
    return DatasetInvalidError(f"{name}: larger than {limit >> 20} MiB, too large for one file of a dataset")


class _Files:
    """The files below a folder, or `only` one of them."""

    def __init__(self, folder: Path, only: str | None = None) -> None:
        self._folder = folder
        self._only = only

    def names(self) -> list[str]:
        if self._only is not None:
            return [self._only]
        found = []
        for folder, _, files in os.walk(self._folder, onerror=_refused):
            below = Path(folder).relative_to(self._folder)
            found += [(below / file).as_posix() for file in files]
        return found

    def read(self, name: str, limit: int | None = None) -> bytes:
        return _read(self._folder / name, MOST_BYTES if limit is None else limit)


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise DatasetInvalidError(f"{path}: {error.strerror or error}") from None
    if len(data) > limit:
        raise _too_large(str(path), limit)
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
            raise _too_large(shown, limit)
        try:
            with self._archive.open(info) as member:
                # One more than allowed, since a header can lie about the size; nothing beyond it is inflated.
                data = member.read(limit + 1)
        except Exception as error:  # noqa: BLE001  (zipfile raises whatever its decompressors raise)
            raise DatasetInvalidError(f"{shown}: cannot be unpacked: {error or type(error).__name__}") from None
        if len(data) > limit:
            raise _too_large(shown, limit)
        return data
