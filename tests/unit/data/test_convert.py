"""A folder or zip file of pictures becomes a dataset: the same one every time, or a clear error and nothing at all."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.pictures import ink, pictures, png, write_tree, write_zip

from mnist_trainer.data import Dataset, load_folder, verify_folder
from mnist_trainer.data.convert import Converted, ConvertOptions, convert
from mnist_trainer.data.convert import source as reading
from mnist_trainer.data.pictures import decode
from mnist_trainer.errors import (
    DatasetInvalidError,
    DatasetNotFoundError,
    InvalidConfigError,
    OutOfSpaceError,
    TrainerError,
)

PICTURES = pictures()


def converted(source: Path, target: Path, **options: object) -> tuple[Converted, Dataset]:
    done = convert(source, target, ConvertOptions(**options))  # type: ignore[arg-type]
    return done, load_folder(target)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    source = write_tree(
        tmp_path / "in", {**PICTURES, "a/notes.txt": b"hi", "b/.DS_Store": b"", "__MACOSX/a/1.png": b""}
    )
    done, dataset = converted(source, tmp_path / "out")
    assert (done.train, done.test, done.classes, done.inverted, done.skipped) == (27, 3, ["a", "b", "c"], True, 1)
    assert dataset.train_images.shape == (27, 28, 28)
    assert np.bincount(dataset.train_labels).tolist() == [9, 9, 9]
    assert np.bincount(dataset.test_labels).tolist() == [1, 1, 1]
    # Dark ink on paper has become bright ink on black, where its class's bar is.
    for image, label in zip(dataset.train_images, dataset.train_labels, strict=True):
        assert image[0, 0] < 10
        assert image[round((6.5 + 8 * label) * 0.7), 14] > 100
    assert verify_folder(tmp_path / "out") == []
    names = json.loads((tmp_path / "out" / "classes.json").read_text())
    assert names == [{"label": i, "name": n, "images": 10} for i, n in enumerate("abc")]


def test_zip_and_folder_give_the_same_files_every_time(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "in", PICTURES)
    archive = write_zip(tmp_path / "in.zip", {f"all/of it/{name}": data for name, data in reversed(PICTURES.items())})
    plain = write_zip(tmp_path / "plain.zip", dict(reversed(PICTURES.items())))
    converted(folder, tmp_path / "one")
    converted(plain, tmp_path / "two")
    converted(archive, tmp_path / "three")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "three") == contents(tmp_path / "one")
    converted(folder, tmp_path / "other seed", seed=1)
    assert contents(tmp_path / "other seed") != contents(tmp_path / "one")


def test_a_division_that_is_there_is_kept(tmp_path: Path) -> None:
    files = {f"train/{name}": data for name, data in PICTURES.items()}
    files |= {f"test/{name}": png(255 - ink(0, 99)) for name in ("a/x.png", "b/y.png")}
    source = write_tree(tmp_path / "in", files)
    done, dataset = converted(source, tmp_path / "out")
    assert (done.train, done.test, done.without_test) == (30, 2, ["c"])
    assert dataset.test_labels.sum() == 1
    with pytest.raises(InvalidConfigError, match="--test-share"):
        converted(source, tmp_path / "again", test_share=0.2)


@pytest.mark.parametrize(
    ("names", "labels"),
    [(("10", "9", "0"), [0, 1, 2]), (("1", "2", "3"), [1, 2, 3]), (("zwei", "eins"), [0, 1])],
)
def test_labels_follow_the_folders_names(tmp_path: Path, names: tuple[str, ...], labels: list[int]) -> None:
    done, dataset = converted(write_tree(tmp_path / "in", pictures(names)), tmp_path / "out")
    assert sorted(set(dataset.train_labels.tolist())) == labels
    assert done.classes == sorted(names, key=lambda name: (len(name), name))


def test_colour_keeps_its_channels_and_is_not_inverted(tmp_path: Path) -> None:
    source = write_tree(tmp_path / "in", pictures(colour=True))
    done, dataset = converted(source, tmp_path / "out", height=32, width=32, channels=3)
    assert (dataset.train_images.shape, done.inverted) == ((27, 32, 32, 3), False)
    assert dataset.train_images[:, 0, 0].tolist() == [[250, 125, 5]] * 27
    assert converted(source, tmp_path / "rgba", channels=4)[1].train_images.shape == (27, 28, 28, 4)
    assert converted(source, tmp_path / "wide", height=8, width=20)[1].train_images.shape == (27, 8, 20)


def test_bright_ink_on_black_is_left_alone(tmp_path: Path) -> None:
    files = {name: png(255 - ink("abc".index(name[0]), 1)) for name in PICTURES}
    done, dataset = converted(write_tree(tmp_path / "in", files), tmp_path / "out")
    assert not done.inverted
    assert dataset.train_images[0, 0, 0] < 10
    assert converted(tmp_path / "in", tmp_path / "inverted", invert="yes")[1].train_images[0, 0, 0] > 240


def test_pictures_of_the_right_size_are_not_touched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(decode(png(pixels), "x", 28, 28, 1), pixels)


def test_all_usual_kinds_of_pictures() -> None:
    grey = ink(1, 0)
    deep = io.BytesIO()
    Image.fromarray(grey.astype(np.uint16) * 257).save(deep, "PNG")
    transparent = np.zeros((40, 40, 4), np.uint8)
    transparent[..., 3] = 255 - grey  # black ink on nothing
    palette = io.BytesIO()
    Image.fromarray(grey).convert("P").save(palette, "GIF")
    reference = decode(png(grey), "x", 28, 28, 1).astype(int)
    for data in (png(grey, "BMP"), png(grey, "TIFF"), png(grey, "PPM"), deep.getvalue(), palette.getvalue()):
        np.testing.assert_allclose(decode(data, "x", 28, 28, 1), reference, atol=3)
    for data in (png(grey, "JPEG"), png(grey, "WEBP"), png(transparent)):
        assert np.abs(decode(data, "x", 28, 28, 1) - reference).mean() < 12
    bright = transparent | np.array([255, 255, 255, 0], np.uint8)  # white ink on nothing
    assert decode(png(bright), "x", 28, 28, 1)[0, 0] < 20


BOMB = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", 60000, 60000, 8, 0, 0, 0, 0) + b"\0\0\0\0"
WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "damaged": ({"b/x.png": PICTURES["b/000.png"][:60]}, "b/x.png: not a picture that can be read"),
    "no picture": (
        {"b/x.jpg": b"<html>"},
        "b/x.jpg: not a picture that can be read (its content is of no known kind: PNG",
    ),
    "empty": ({"b/x.png": b""}, "b/x.png: not a picture"),
    "bomb": ({"b/x.png": BOMB}, "b/x.png: not a picture that can be read"),
    "outside": ({"x.png": PICTURES["b/000.png"]}, "x.png lies in no class's folder"),
    "class beside train": ({"train/a/1.png": b"", "b/1.png": b""}, "beside train/ lies"),
    "only for testing": ({f"{s}/z/1.png": PICTURES["a/000.png"] for s in ("train", "test")}, "beside train/"),
}


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.parametrize(("files", "says"), WRONG.values(), ids=WRONG)
def test_a_bad_file_is_named_and_nothing_is_left(tmp_path: Path, files: dict[str, bytes], says: str, kind: str) -> None:
    everything = {**PICTURES, **files}
    is_zip = kind == "zip"
    source = write_zip(tmp_path / "in.zip", everything) if is_zip else write_tree(tmp_path / "in", everything)
    with pytest.raises(DatasetInvalidError) as caught:
        convert(source, tmp_path / "out", ConvertOptions())
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert list(tmp_path.iterdir()) == [source]


def test_sources_that_are_none(tmp_path: Path) -> None:
    def refused(source: Path, kind: type[TrainerError] = DatasetInvalidError) -> str:
        with pytest.raises(kind) as caught:
            convert(source, tmp_path / "out", ConvertOptions())
        assert not (tmp_path / "out").exists()
        return caught.value.message

    assert "no such folder or zip file" in refused(tmp_path / "none", DatasetNotFoundError)
    (tmp_path / "text").write_text("hello")
    assert "neither a folder nor a zip file" in refused(tmp_path / "text")
    assert "no picture" in refused(write_tree(tmp_path / "empty", {"a/readme.txt": b""}))
    assert "1 folder(s) of pictures (a)" in refused(write_tree(tmp_path / "one", pictures(("a",))))
    assert "only one picture" in refused(write_tree(tmp_path / "single", pictures(each=1)))
    tests = {f"{split}/{name}": data for name, data in PICTURES.items() for split in ("test", "train")}
    del (spare := {name: data for name, data in tests.items() if not name.startswith("train/c")})["train/a/000.png"]
    assert "class c has test images but no training images" in refused(write_tree(tmp_path / "untrained", spare))
    doubled = write_tree(tmp_path / "doubled", {"train/a/1.png": b"", "test/a/1.png": b"", "val/a/1.png": b""})
    assert "test/ and val/" in refused(doubled)


def test_zip_bombs_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_BYTES", 10_000)
    files = {**PICTURES, "b/zeros.png": bytes(20_000)}
    archive = write_zip(tmp_path / "in.zip", files)
    with pytest.raises(DatasetInvalidError, match=r"b/zeros\.png: larger than"):
        convert(archive, tmp_path / "out", ConvertOptions())
    lying = tmp_path / "lying.zip"
    data = archive.read_bytes()
    assert data.count(struct.pack("<I", 20_000)) == 2
    lying.write_bytes(data.replace(struct.pack("<I", 20_000), struct.pack("<I", 200)))
    with pytest.raises(DatasetInvalidError, match=r"b/zeros\.png: "):
        convert(lying, tmp_path / "out", ConvertOptions())
    monkeypatch.setattr(reading, "_MOST_BYTES_OF_ALL", 5_000)
    with pytest.raises(DatasetInvalidError, match="more bytes than a dataset can have"):
        convert(archive, tmp_path / "out", ConvertOptions())
    with pytest.raises(DatasetInvalidError, match="larger than"):
        convert(write_tree(tmp_path / "in", files), tmp_path / "out", ConvertOptions())


def test_zip_with_a_name_twice(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "in.zip", PICTURES)
    with zipfile.ZipFile(archive, "a") as opened, pytest.warns(UserWarning, match="Duplicate name"):
        opened.writestr("a/000.png", b"other")
    with pytest.raises(DatasetInvalidError, match=r"holds a/000\.png twice"):
        convert(archive, tmp_path / "out", ConvertOptions())


def test_a_dataset_is_replaced_only_when_that_is_asked(tmp_path: Path) -> None:
    source, target = write_tree(tmp_path / "in", PICTURES), tmp_path / "out"
    target.mkdir()
    (target / "notes").write_text("mine")
    (target / "train-labels-idx1-ubyte").write_bytes(b"plain ones would be read first")
    with pytest.raises(InvalidConfigError, match="--force"):
        convert(source, target, ConvertOptions())
    convert(source, target, ConvertOptions(), replace=True)
    assert load_folder(target).classes == 3
    assert (target / "notes").read_text() == "mine"
    with pytest.raises(InvalidConfigError, match="is a file"):
        convert(source, target / "notes", ConvertOptions(), replace=True)


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mnist_trainer.data.convert import conversion

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(conversion.gzip.GzipFile, "write", full)
    with pytest.raises(OutOfSpaceError, match="no space left"):
        convert(write_tree(tmp_path / "in", PICTURES), tmp_path / "out", ConvertOptions())
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    convert(write_tree(tmp_path / "in", PICTURES), tmp_path / "out", ConvertOptions(), lambda *now: seen.append(now))
    assert seen == [(number, 30) for number in range(1, 31)]


@pytest.mark.parametrize(
    "options", [{"height": 0}, {"width": 5000}, {"channels": 2}, {"test_share": 1.0}, {"invert": "perhaps"}]
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(InvalidConfigError, match="--"):
        ConvertOptions(**options)  # type: ignore[arg-type]
