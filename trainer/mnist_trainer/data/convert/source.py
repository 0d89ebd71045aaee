"""What a conversion reads, whatever its form: its pictures with their classes, and how to get each of them.

The form is told from the files' names: folders of pictures, one for each class; sheets of pictures, one for each class;
or tables (CSV, npz, parquet), alone or together in a folder or zip file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from mnist_trainer.data.convert import tables
from mnist_trainer.data.convert.collection import Collection, open_collection
from mnist_trainer.data.convert.tree import Picture, Tree, is_junk, is_picture, make_tree, sort_out
from mnist_trainer.data.files import match_role
from mnist_trainer.data.pictures import open_picture
from mnist_trainer.errors import DatasetInvalidError


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
    with open_collection(path, tables.SUFFIXES) as collection:
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
