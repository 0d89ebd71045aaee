"""Datasets that are no folders of pictures: CSV, NumPy's npz, Hugging Face's parquet, and sheets of many pictures.

Each file becomes a `Part`: one picture a row, with its label. Which part is for testing is told by the files' names
(``mnist_test.csv``, ``test-00000-of-00001.parquet``) or the arrays' (``x_test``). Nothing is ever unpickled, and no
more is unpacked than the files' own headers announce and the limits below allow.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mnist_trainer.data.convert.tree import split_of
from mnist_trainer.data.pictures import in_mode, open_picture
from mnist_trainer.errors import DatasetInvalidError

SUFFIXES = (".csv", ".npz", ".parquet")
MAX_TABLE_BYTES = 4 << 30
_LABELS = ("label", "labels", "class", "target", "digit", "y", "fine_label")
_IMAGES = ("image", "images", "img", "pixel_values")
_ARRAYS = (  # (images, labels, for testing) as Keras and MedMNIST call them
    ("x_train", "y_train", False),
    ("x_test", "y_test", True),
    ("train_images", "train_labels", False),
    ("test_images", "test_labels", True),
    ("x", "y", None),
    ("images", "labels", None),
)
_BLANK = 16  # grey levels: a tile whose pixels differ by less holds no picture
_SHEET = re.compile(r"(?P<before>.*?)(?P<label>(?<!\d)(?:0|[1-9]\d{0,2})|(?<![A-Za-z])[A-Za-z])")


class NoLabelsError(DatasetInvalidError):
    """A table that holds no labels, or no pictures: perhaps one that belongs to a dataset, but is no part of it."""


@dataclass(frozen=True)
class Part:
    """Pictures of one file. `picture` gives one of them by its number in a mode of Pillow's.

    `labels` are the classes' names, one for each picture; `is_test` is None where the file does not tell.
    """

    file: str
    labels: Sequence[str]
    is_test: bool | None
    picture: Callable[[int, str], Image.Image]


def read_table(name: str, data: bytes, shown: str) -> list[Part]:
    """The pictures of a ``.csv``, ``.npz`` or ``.parquet`` file. Raises DatasetInvalidError, beginning with `shown`."""
    readers = {".csv": _read_csv, ".npz": _read_npz, ".parquet": _read_parquet}
    return readers[PurePosixPath(name).suffix.lower()](name, data, shown)


def find_sheets(names: Sequence[str]) -> dict[str, tuple[str, bool | None]]:
    """Class and split of each picture where each class has one, named after it: ``mnist_train7.png``, ``7.png``.

    Empty if the names do not say so.
    """
    found: dict[str, tuple[str, bool | None]] = {}
    for name in names:
        path = PurePosixPath(name)
        match = _SHEET.fullmatch(path.stem)
        if not match:
            return {}
        folder = path.parent.name if len(path.parts) > 1 else ""
        split = split_of(match["before"])
        found[name] = match["label"].lower(), split_of(folder) if split is None else split
    splits = {split for _, split in found.values()}
    for split in splits:
        labels = [label for label, other in found.values() if other is split]
        numbers = sorted(int(label) for label in labels if label.isdecimal())
        consecutive = numbers in (list(range(len(labels))), list(range(1, len(labels) + 1)))
        if len(set(labels)) < max(2, len(labels)) or (numbers and not consecutive):
            return {}
    return found


def read_sheet(name: str, data: bytes, shown: str, label: str, is_test: bool | None, tile: tuple[int, int]) -> Part:
    """The pictures of height and width `tile` that lie on one sheet, row by row, without the blank ones at its end."""
    pixels = np.asarray(open_picture(data, shown, "RGB"))
    height, width = tile
    rows, columns = pixels.shape[0] // height, pixels.shape[1] // width
    if pixels.shape[:2] != (rows * height, columns * width) or rows * columns < 2:
        raise DatasetInvalidError(
            f"{shown}: a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels is no sheet of pictures of "
            f"{width}x{height}: --tile HxW tells their size, or put the pictures into a folder for each class"
        )
    tiles = pixels.reshape(rows, height, columns, width, 3).swapaxes(1, 2).reshape(-1, height, width, 3)
    flat = tiles.reshape(len(tiles), -1)
    used = np.flatnonzero(flat.max(1).astype(int) - flat.min(1) >= _BLANK)
    tiles = tiles[: int(used[-1]) + 1 if used.size else 0]
    return _of_arrays(name, tiles, [label] * len(tiles), is_test)


def _read_csv(name: str, data: bytes, shown: str) -> list[Part]:
    """A row for each picture: its label and its pixels from 0 to 255, with a line of names above or without."""
    import pyarrow as pa
    from pyarrow import csv

    if not data.strip():
        raise DatasetInvalidError(f"{shown}: is empty")
    first = data[: 1 << 20].split(b"\n", 1)[0].decode("utf-8-sig", "replace").strip()
    cells = [cell.strip().strip('"') for cell in first.split(",")]
    has_names = not all(re.fullmatch(r"\d+", cell) for cell in cells)
    at = next((at for at, cell in enumerate(cells) if cell.lower() in _LABELS), None) if has_names else 0
    shape = None if at is None else _square(len(cells) - 1)
    if at is None or shape is None:
        raise NoLabelsError(f"{shown}: {_csv_problem(len(cells), has_names and at is None)}")
    columns = [f"c{number}" for number in range(len(cells))]
    types = {column: pa.string() if number == at else pa.uint8() for number, column in enumerate(columns)}
    try:
        table = csv.read_csv(
            io.BytesIO(data),
            csv.ReadOptions(column_names=columns, skip_rows=int(has_names), use_threads=False),
            convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        raise DatasetInvalidError(f"{shown}: {_one_line(error)}: pixels are whole numbers from 0 to 255") from None
    pixels = np.stack([table[column].to_numpy() for column in columns if column != columns[at]], axis=1)
    if pixels.dtype != np.uint8:
        raise DatasetInvalidError(f"{shown}: some pixels are missing")
    images = pixels.reshape(-1, *shape)
    images = images.swapaxes(1, 2) if name.lower().rpartition("/")[2].startswith("emnist") else images
    labels = [str(label).strip() for label in table[columns[at]].to_pylist()]
    return [_of_arrays(name, images, labels, split_of(PurePosixPath(name).stem))]


def _csv_problem(columns: int, without_label: bool) -> str:
    if without_label or _square(columns):
        return "has no column of labels, so that nothing can be learned from it (Kaggle's own test.csv has none)"
    return f"has {columns} columns: expected a label and the pixels of a square picture, such as 1 + 784"


def _square(pixels: int) -> tuple[int, ...] | None:
    """The shape of a square picture of so many values, grey or RGB."""
    for shape in ((math.isqrt(pixels),) * 2, (*(math.isqrt(pixels // 3),) * 2, 3)):
        if pixels >= 4 and math.prod(shape) == pixels:
            return shape
    return None


def _read_npz(name: str, data: bytes, shown: str) -> list[Part]:
    """Keras' ``mnist.npz`` and the like: arrays of pictures and of labels."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        found = [entry for entry in _ARRAYS if entry[0] in sizes and entry[1] in sizes]
        if not found:
            known = "; ".join(f"{images}, {labels}" for images, labels, _ in _ARRAYS)
            raise DatasetInvalidError(f"{shown}: holds {', '.join(sorted(sizes)[:6])}; expected arrays named {known}")
        if sum(sizes[key] for entry in found for key in entry[:2]) > MAX_TABLE_BYTES:
            raise DatasetInvalidError(f"{shown}: announces more than {MAX_TABLE_BYTES >> 30} GiB of arrays")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return [_of_npz(name, shown, arrays, *entry) for entry in found]
    except DatasetInvalidError:
        raise
    except Exception as error:  # noqa: BLE001  (zipfile and NumPy raise all kinds of errors for damaged files)
        said = "holds Python objects, which are never unpickled" if "Object arrays" in str(error) else _one_line(error)
        raise DatasetInvalidError(f"{shown}: not an npz file that can be read: {said}") from None


def _of_npz(name: str, shown: str, arrays: Any, images: str, labels: str, is_test: bool | None) -> Part:
    pixels, numbers = arrays[images], arrays[labels]
    numbers = numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers
    if pixels.ndim == 2 and (shape := _square(pixels.shape[1])):
        pixels = pixels.reshape(-1, *shape)
    if pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] not in (1, 3, 4)):
        raise DatasetInvalidError(f"{shown}: {images} has shape {pixels.shape}, expected [N, H, W] or [N, H, W, 1|3|4]")
    if numbers.ndim != 1 or len(numbers) != len(pixels) or numbers.dtype.kind not in "iuSU":
        raise DatasetInvalidError(
            f"{shown}: {labels} has shape {numbers.shape} of {numbers.dtype.name}, expected one whole number or name "
            f"for each of the {len(pixels)} pictures"
        )
    return _of_arrays(name, _as_bytes(pixels, f"{shown}: {images}"), [str(label) for label in numbers], is_test, images)


def _as_bytes(pixels: NDArray[Any], shown: str) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    low, high = (float(pixels.min()), float(pixels.max())) if pixels.size else (0.0, 0.0)
    if pixels.dtype.kind in "iu" and low >= 0 and high <= 255:
        return pixels.astype(np.uint8)
    if pixels.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.round(pixels * 255).astype(np.uint8)
    raise DatasetInvalidError(f"{shown}: values from {low:g} to {high:g}, expected 0 to 255, or fractions from 0 to 1")


def _read_parquet(name: str, data: bytes, shown: str) -> list[Part]:
    """Hugging Face's form: `image` with a picture file's bytes, and `label`, whose names stand in the schema."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        columns = file.schema_arrow.names
        image = next((column for column in columns if column.lower() in _IMAGES), None)
        label = next((column for column in columns if column.lower() in _LABELS), None)
        if image is None or label is None:
            raise DatasetInvalidError(
                f"{shown}: has columns {', '.join(columns[:8])}; expected image (a picture file's bytes) and label"
            )
        announced = sum(file.metadata.row_group(i).total_byte_size for i in range(file.num_row_groups))
        if announced > MAX_TABLE_BYTES:
            raise DatasetInvalidError(f"{shown}: announces more than {MAX_TABLE_BYTES >> 30} GiB")
        table = file.read([image, label])
        pictures = _bytes_column(table[image], shown)
        labels = _label_names(table[label].to_pylist(), file.schema_arrow.metadata or {}, label, shown)
    except (pa.ArrowException, OSError) as error:
        raise DatasetInvalidError(f"{shown}: not a parquet file that can be read: {_one_line(error)}") from None

    def picture(index: int, mode: str) -> Image.Image:
        where = f"{shown}: row {index}"
        content = pictures[index].as_py()
        if not content:
            raise DatasetInvalidError(f"{where}: holds no picture")
        return open_picture(content, where, mode)

    return [Part(name, labels, split_of(PurePosixPath(name).stem), picture)]


def _bytes_column(column: Any, shown: str) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_struct(column.type) and "bytes" in [field.name for field in column.type]:
        column = compute.struct_field(column, "bytes")
    if not (pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type)):
        raise DatasetInvalidError(f"{shown}: its pictures are {column.type}, expected a picture file's bytes")
    return column


def _label_names(labels: list[Any], metadata: dict[bytes, bytes], column: str, shown: str) -> list[str]:
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        names = features[column]["names"]
    except (ValueError, KeyError, TypeError):
        names = None
    if any(label is None for label in labels):
        raise DatasetInvalidError(f"{shown}: row {labels.index(None)} has no label")
    if not isinstance(names, list):
        return [str(label) for label in labels]
    try:
        return [str(names[label]) for label in labels]
    except (IndexError, TypeError):
        raise DatasetInvalidError(f"{shown}: has labels that its own list of {len(names)} classes lacks") from None


def _of_arrays(
    file: str, images: NDArray[np.uint8], labels: Sequence[str], is_test: bool | None, within: str = ""
) -> Part:
    def picture(index: int, mode: str) -> Image.Image:
        image = images[index]
        return in_mode(Image.fromarray(image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image), mode)

    return Part(f"{file}/{within}" if within else file, labels, is_test, picture)


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200].rstrip(". ")
