"""What people download: Kaggle's CSV, Keras' npz, Hugging Face's parquet, a sheet of pictures for each class."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from tests.support.pictures import png, write_tree, write_zip

from mnist_trainer.data import Dataset, load_folder, verify_folder
from mnist_trainer.data.convert import ConvertOptions, convert, tables
from mnist_trainer.errors import DatasetInvalidError

RANDOM = np.random.default_rng(0)
LABELS = np.arange(40) % 4
IMAGES = RANDOM.integers(0, 256, (40, 28, 28), dtype=np.uint8)
IMAGES[:, :3] = IMAGES[:, -3:] = 0  # bright ink on black, as MNIST's


def csv(images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, names: bool = True, last: bool = False) -> bytes:
    pixels = images.reshape(len(images), -1)
    columns = [*pixels.T, labels] if last else [labels, *pixels.T]
    head = [f"pixel{number}" for number in range(pixels.shape[1])]
    head = [*head, "class"] if last else ["label", *head]
    lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([*([",".join(head)] if names else []), *lines, ""]).encode()


def unlabelled() -> bytes:
    """Kaggle's test.csv: pixels alone."""
    return b"\n".join(line.partition(b",")[2] for line in csv().split(b"\n"))


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def hugging(images: np.ndarray = IMAGES, labels: np.ndarray = LABELS, names: list[str] | None = None) -> bytes:
    struct = [{"bytes": png(image), "path": f"{number}.png"} for number, image in enumerate(images)]
    table = pa.table({"image": struct, "label": labels})
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def sheet(images: np.ndarray, columns: int = 4) -> bytes:
    rows = -(-len(images) // columns)
    tiles = np.zeros((rows * columns, 28, 28), np.uint8)
    tiles[: len(images)] = images
    return png(tiles.reshape(rows, columns, 28, 28).swapaxes(1, 2).reshape(rows * 28, columns * 28))


SHEETS = {f"digit-{label}.png": sheet(IMAGES[label == LABELS]) for label in range(4)}
TRAIN = slice(0, 30)
TEST = slice(30, 40)


def converted(source: Path, **options: object) -> Dataset:
    target = source.parent / f"{source.name}-out"
    convert(source, target, ConvertOptions(**options))  # type: ignore[arg-type]
    assert verify_folder(target) == []
    return load_folder(target)


def rows(dataset: Dataset) -> list[tuple[int, bytes]]:
    """All pictures with their labels, whatever their order."""
    images = np.concatenate([dataset.train_images, dataset.test_images])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    return sorted((int(label), image.tobytes()) for label, image in zip(labels, images, strict=True))


EVERYTHING = sorted((int(label), image.tobytes()) for label, image in zip(LABELS, IMAGES, strict=True))
SOURCES: dict[str, dict[str, bytes]] = {
    "Kaggle, one file": {"train.csv": csv()},
    "Kaggle's competition": {
        "train.csv": csv(),
        "test.csv": unlabelled(),
        "sample_submission.csv": b"ImageId,Label\n1,0\n2,0\n",
    },
    "CSV without names": {"digits.csv": csv(names=False)},
    "CSV as OpenML has it": {"mnist_784.csv": csv(last=True)},
    "CSV in two": {
        "mnist_train.csv": csv(IMAGES[TRAIN], LABELS[TRAIN]),
        "mnist_test.csv": csv(IMAGES[TEST], LABELS[TEST]),
    },
    "Keras": {"mnist.npz": npz(x_train=IMAGES[TRAIN], y_train=LABELS[TRAIN], x_test=IMAGES[TEST], y_test=LABELS[TEST])},
    "fractions": {"some.npz": npz(images=IMAGES / 255.0, labels=LABELS[:, None])},
    "Hugging Face": {
        "data/train-00000-of-00002.parquet": hugging(IMAGES[:20], LABELS[:20]),
        "data/train-00001-of-00002.parquet": hugging(IMAGES[20:30], LABELS[20:30]),
        "data/test-00000-of-00001.parquet": hugging(IMAGES[TEST], LABELS[TEST]),
    },
    "sheets": SHEETS,
    "sheets in two": {
        f"mnist_{split}{label}.png": sheet(IMAGES[part][LABELS[part] == label])
        for split, part in (("train", TRAIN), ("test", TEST))
        for label in range(4)
    },
}


FORMS = [
    (name, form)
    for name, files in SOURCES.items()
    for form in ("folder", "zip", "file")
    if form != "file" or (len(files) == 1 and "sheets" not in name)
]


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_usual_download_becomes_the_same_dataset(tmp_path: Path, name: str, form: str) -> None:
    files = SOURCES[name]
    source = write_zip(tmp_path / "in.zip", files) if form == "zip" else write_tree(tmp_path / "in", files)
    dataset = converted(source / next(iter(files)) if form == "file" else source, invert="no")
    assert rows(dataset) == EVERYTHING
    is_divided = name in ("CSV in two", "Keras", "Hugging Face", "sheets in two")
    assert len(dataset.test_labels) == (10 if is_divided else 4)


def test_the_same_source_gives_the_same_files(tmp_path: Path) -> None:
    one, two = (write_tree(tmp_path / name, SOURCES["Kaggle, one file"]) for name in ("one", "two"))
    assert converted(one).digest == converted(two).digest


def test_pictures_are_scaled_inverted_and_coloured_as_any_others(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "in", {"train.csv": csv(255 - IMAGES)})
    dataset = converted(source, height=14, width=14, channels=1)
    assert dataset.train_images.shape[1:] == (14, 14)
    assert dataset.train_images[:, 0].max() < 30  # paper has become black
    rgb = write_tree(tmp_path / "rgb", {"hmnist_28_28_RGB.csv": csv(np.stack([IMAGES, IMAGES // 2, IMAGES], -1))})
    coloured = converted(rgb, channels=3)
    assert (coloured.train_images[..., 1] == coloured.train_images[..., 0] // 2).all()


def test_names_of_classes_come_from_the_source(tmp_path: Path) -> None:
    names = ["zero", "one", "two", "three"]
    source = write_tree(tmp_path / "in", {"train-0.parquet": hugging(names=names)})
    dataset = converted(source)
    assert dict(enumerate(dataset.class_names)) == dict(enumerate(sorted(names)))
    # Labels with a gap are numbered anew, and keep their numbers as names.
    gap = converted(write_tree(tmp_path / "gap", {"sign_mnist_train.csv": csv(labels=LABELS + 8 * (LABELS > 1))}))
    assert gap.class_names == ("0", "1", "10", "11")


def test_emnist_s_csv_lies_on_its_side_and_is_stood_upright(tmp_path: Path) -> None:
    lying = csv(IMAGES.swapaxes(1, 2), names=False)
    assert rows(converted(write_tree(tmp_path / "in", {"emnist-digits-train.csv": lying}), invert="no")) == EVERYTHING


class Payload:
    """Runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        import os

        return os.mkdir, (MARK,)


MARK = ""


def test_nothing_is_ever_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.MARK", str(tmp_path / "mark"), raising=False)
    objects = np.array([Payload()], dtype=object)
    source = write_tree(tmp_path / "in", {"x.npz": npz(x_train=objects, y_train=objects)})
    with pytest.raises(DatasetInvalidError, match="Python objects, which are never unpickled"):
        convert(source / "x.npz", tmp_path / "out", ConvertOptions())
    assert not (tmp_path / "mark").exists()


def lying_npz() -> bytes:
    """An array that announces a terabyte."""
    data = bytearray(npz(x_train=IMAGES, y_train=LABELS))
    at = data.find(b"(40, 28, 28)")
    data[at : at + 16] = b"(9999999, 999,9)"[:16]
    return bytes(data)


BAD: dict[str, tuple[str, bytes, str]] = {
    "unlabelled": ("test.csv", unlabelled(), "Kaggle's own test.csv has none"),
    "not square": ("a.csv", b"label,a,b,c,d,e\n1,2,3,4,5,6\n", "has 6 columns: expected a label and the pixels"),
    "no number": ("a.csv", csv().replace(b"\n2,", b"\n2,x", 1), "whole numbers from 0 to 255"),
    "too bright": ("a.csv", b"label,a,b,c,d\n0,1,2,3,4\n1,2,300,4,5\n", "Row #3"),
    "cut": ("a.csv", csv()[:-400], "Expected 785 columns, got"),
    "empty": ("a.csv", b"", "is empty"),
    "other arrays": ("a.npz", npz(weights=IMAGES), "holds weights; expected arrays named x_train, y_train"),
    "no npz": ("a.npz", b"hello", "not an npz file"),
    "lies": ("a.npz", lying_npz(), "not an npz file that can be read"),
    "shapes": ("a.npz", npz(x_train=IMAGES, y_train=LABELS[1:]), "y_train has shape (39,)"),
    "one row": ("a.npz", npz(x_train=IMAGES[0], y_train=LABELS), "x_train has shape (28, 28)"),
    "range": ("a.npz", npz(x_train=IMAGES * 1000.0, y_train=LABELS), "expected 0 to 255, or fractions from 0 to 1"),
    "other columns": ("a.parquet", hugging().replace(b"image", b"imago"), "image"),
    "no parquet": ("a.parquet", b"PAR1hello", "not a parquet file that can be read"),
    "one class": ("a.csv", csv(labels=LABELS * 0), "1 class(es) (0)"),
}


@pytest.mark.parametrize(("name", "data", "says"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said_with_the_file_s_name(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    write_tree(tmp_path / "in", {name: data})
    with pytest.raises(DatasetInvalidError) as caught:
        convert(tmp_path / "in" / name, tmp_path / "out", ConvertOptions())
    assert name in caught.value.message
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_picture_in_a_parquet_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    table = pa.table({"image": [{"bytes": b"<html>"}] * 8, "label": [0, 1] * 4})
    (tmp_path / "in").mkdir()
    parquet.write_table(table, tmp_path / "in" / "a.parquet")
    with pytest.raises(DatasetInvalidError, match=r"a\.parquet: row \d: not a picture that can be read"):
        convert(tmp_path / "in", tmp_path / "out", ConvertOptions())


def test_tables_have_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_TABLE_BYTES", 50_000)
    for name, data in (("a.csv", csv()), ("a.npz", npz(x=np.zeros((999, 99, 99)), y=LABELS))):
        archive = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
            opened.writestr(name, data)
        with pytest.raises(DatasetInvalidError, match=r"larger than|announces more"):
            convert(archive, tmp_path / "out", ConvertOptions())


def test_a_sheet_that_is_none_says_what_to_do(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "in", {f"{label}.png": png(IMAGES[label]) for label in range(4)})
    with pytest.raises(DatasetInvalidError, match=r"0\.png: a picture of 28x28 pixels is no sheet.*--tile.*folder for"):
        convert(source, tmp_path / "out", ConvertOptions())
    assert rows(converted(write_tree(tmp_path / "s", SHEETS), tile=(28, 28), invert="no")) == EVERYTHING
    with pytest.raises(DatasetInvalidError, match="no sheet of pictures of 27x28"):
        convert(tmp_path / "s", tmp_path / "out", ConvertOptions(tile=(28, 27)))


def test_idx_files_need_no_conversion_and_are_told_so(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "in", {"raw/train-images-idx3-ubyte": b"\0\0\x08\x03"})
    with pytest.raises(DatasetInvalidError, match="holds IDX files, which need no conversion"):
        convert(source, tmp_path / "out", ConvertOptions())
