import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.support.datasets import encode, small_dataset, write_folder

from mnist_trainer.data import examine_folder, load_folder, verify_folder
from mnist_trainer.data.files import Role, find_files, match_role
from mnist_trainer.data.idx import write_idx
from mnist_trainer.errors import DatasetInvalidError, DatasetNotFoundError

Arrays = dict[Role, np.ndarray]


def test_loads_plain_and_gzipped_alike(tmp_path: Path) -> None:
    arrays = small_dataset()
    plain = load_folder(write_folder(tmp_path / "plain", encode(arrays, compress=False)))
    packed = load_folder(write_folder(tmp_path / "gz", encode(arrays)))
    for dataset in (plain, packed):
        np.testing.assert_array_equal(dataset.train_images, arrays[Role.TRAIN_IMAGES])
        np.testing.assert_array_equal(dataset.test_labels, arrays[Role.TEST_LABELS])
        assert not dataset.train_images.flags.writeable
        assert dataset.classes == 10
    assert plain.digest == packed.digest
    assert len(plain.digest) == 64


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    digests = set()
    for number, (role, index) in enumerate([(None, 0)] + [(role, i) for role in Role for i in (0, -1)]):
        arrays = small_dataset()
        if role:
            array = arrays[role]
            array.flat[index] = (int(array.flat[index]) + 1) % 10
        digests.add(load_folder(write_folder(tmp_path / str(number), encode(arrays))).digest)
    assert len(digests) == 9


def test_colour_images(tmp_path: Path) -> None:
    arrays = small_dataset()
    for role in (Role.TRAIN_IMAGES, Role.TEST_IMAGES):
        arrays[role] = np.repeat(arrays[role][..., None], 3, axis=3)
    assert load_folder(write_folder(tmp_path, encode(arrays))).train_images.shape == (40, 8, 8, 3)


NAMES = [
    ("train-images-idx3-ubyte", Role.TRAIN_IMAGES),
    ("train-images.idx3-ubyte", Role.TRAIN_IMAGES),
    ("train-labels.idx1-ubyte.gz", Role.TRAIN_LABELS),
    ("t10k-images-idx3-ubyte.gz", Role.TEST_IMAGES),
    ("t10k-labels-idx1-ubyte", Role.TEST_LABELS),
    ("emnist-letters-train-images-idx3-ubyte.gz", Role.TRAIN_IMAGES),
    ("emnist-balanced-test-labels-idx1-ubyte", Role.TEST_LABELS),
    ("README.md", None),
    ("train-images-idx3-ubyte.gz.part", None),
    ("train-images", None),
]


@pytest.mark.parametrize(("name", "role"), NAMES)
def test_usual_names(name: str, role: Role | None) -> None:
    assert match_role(name) is role


def test_plain_before_gzipped() -> None:
    names = [role.value + suffix for role in Role for suffix in (".gz", "")]
    assert find_files(names, "here") == {role: role.value for role in Role}


def test_two_datasets_in_one_folder() -> None:
    names = [f"emnist-{kind}-{role.value.replace('t10k', 'test')}" for role in Role for kind in ("letters", "digits")]
    with pytest.raises(DatasetInvalidError, match="emnist-digits, emnist-letters"):
        find_files(names, "here")


@pytest.mark.parametrize("role", Role)
def test_a_missing_file_is_named(tmp_path: Path, role: Role) -> None:
    files = encode(small_dataset())
    del files[f"{role.value}.gz"]
    with pytest.raises(DatasetNotFoundError, match=f"{role.value} is missing"):
        load_folder(write_folder(tmp_path, files))


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match=r"no dataset there.*there is README"):
        load_folder(write_folder(tmp_path, {"README": b"hi"}))
    with pytest.raises(DatasetNotFoundError, match=r"there is a\.PNG; `mnistctl data convert` makes a dataset"):
        load_folder(write_folder(tmp_path / "pictures", {"a.PNG": b""}))
    with pytest.raises(DatasetNotFoundError, match="No such file"):
        load_folder(tmp_path / "none")


def test_a_folder_above_the_dataset_is_told_where_it_is(tmp_path: Path) -> None:
    """torchvision puts its files into MNIST/raw below the folder that it was given."""
    write_folder(tmp_path / "data" / "MNIST" / "raw", encode(small_dataset()))
    with pytest.raises(DatasetNotFoundError, match=rf"in a folder below: give {tmp_path}/data/MNIST/raw$"):
        load_folder(tmp_path / "data")
    assert "data/MNIST/raw" in verify_folder(tmp_path / "data")[0].message
    write_folder(tmp_path / "data" / "Fashion" / "raw", encode(small_dataset()))
    with pytest.raises(DatasetNotFoundError, match=r"2 in folders below: give one of .*/Fashion/raw, .*/MNIST/raw"):
        load_folder(tmp_path / "data")


@pytest.mark.parametrize("memory", [None, 1000], ids=["in memory", "on disk"])
@pytest.mark.parametrize("role", [Role.TRAIN_IMAGES, Role.TEST_LABELS])
def test_a_plain_and_a_packed_file_of_one_name_must_hold_the_same(
    tmp_path: Path, role: Role, memory: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_SCRATCH_DIR", str(tmp_path / "scratch"))
    arrays = small_dataset()
    folder = write_folder(tmp_path / "both", {**encode(arrays, compress=False), **encode(arrays)})
    assert load_folder(folder, memory).classes == 10
    arrays[role] = arrays[role][::-1]
    write_folder(folder, {f"{role.value}.gz": encode(arrays)[f"{role.value}.gz"]})
    with pytest.raises(DatasetInvalidError, match=rf"{role.value}: {role.value}\.gz beside it holds something else"):
        load_folder(folder, memory)
    assert [str(finding) for finding in examine_folder(folder, memory)[0] if "something else" in finding.message]


NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.mark.parametrize(
    "content",
    [NAMES, [{"label": i, "name": name, "images": 4} for i, name in enumerate(NAMES)], dict(enumerate(NAMES))],
    ids=["a list", "as convert writes it", "by label"],
)
def test_names_of_classes_come_with_the_dataset_and_are_no_part_of_its_digest(tmp_path: Path, content: object) -> None:
    files = encode(small_dataset())
    plain = load_folder(write_folder(tmp_path / "plain", files))
    named = load_folder(write_folder(tmp_path / "named", {**files, "classes.json": json.dumps(content).encode()}))
    assert plain.class_names == ()
    assert named.class_names == tuple(NAMES)
    assert named.digest == plain.digest


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[", "does not name classes"),
        (b'{"a": "b"}', "does not name classes"),
        (b'[{"label": 0}]', "does not name classes"),
        (b'["", "b"]', "does not name classes"),
        (b"7", "does not name classes"),
        (json.dumps([*NAMES, "ten"]).encode(), "names label 10, but the training labels end at 9"),
        (b" " * (2 << 20), "too large"),
    ],
)
def test_names_that_make_no_sense_are_a_warning_and_left_out(
    tmp_path: Path, content: bytes, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_folder(tmp_path, {**encode(small_dataset()), "classes.json": content})
    (finding,) = verify_folder(folder)
    assert finding.severity == "warning"
    assert finding.where.endswith("classes.json")
    assert says in finding.message
    assert load_folder(folder).class_names == ()
    assert says in caplog.text


def shorter(role: Role) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[role] = arrays[role][:-1]

    return change


def label(role: Role, value: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[role][3] = value

    return change


def swap(one: Role, other: Role) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[one], arrays[other] = arrays[other], arrays[one]

    return change


def blank(arrays: Arrays) -> None:
    arrays[Role.TRAIN_IMAGES][:] = 7


def smaller_test_images(arrays: Arrays) -> None:
    arrays[Role.TEST_IMAGES] = arrays[Role.TEST_IMAGES][:, :4]


def one_class(arrays: Arrays) -> None:
    arrays[Role.TRAIN_LABELS][:] = 4
    arrays[Role.TEST_LABELS][:] = 4


WRONG: dict[str, tuple[Callable[[Arrays], None], str, str]] = {
    "fewer labels": (shorter(Role.TRAIN_LABELS), "train-labels", "1999 labels for 2000 images"),
    "fewer images": (shorter(Role.TEST_IMAGES), "t10k-labels", "200 labels for 199 images"),
    "train label 255": (label(Role.TRAIN_LABELS, 255), "train-labels", "label 255 at index 3 is out of range"),
    "train label 11": (label(Role.TRAIN_LABELS, 11), "train-labels", "label 11 at index 3 is out of range"),
    "train label 10": (label(Role.TRAIN_LABELS, 10), "train-labels", "label 10 at index 3 is out of range"),
    "test label 10": (label(Role.TEST_LABELS, 10), "t10k-labels", "label 10 at index 3 is out of range"),
    "labels as images": (swap(Role.TRAIN_IMAGES, Role.TRAIN_LABELS), "train-images", "holds labels"),
    "images as labels": (swap(Role.TEST_IMAGES, Role.TEST_LABELS), "t10k-images", "holds labels"),
    "other shape": (smaller_test_images, "t10k-images", "images of 4x8, but training images of 8x8"),
    "all alike": (blank, "train-images", "every pixel of every image is 7"),
    "one class": (one_class, "train-labels", "every label is 4"),
}


@pytest.mark.parametrize(("change", "file", "says"), WRONG.values(), ids=WRONG)
def test_wrong_datasets(tmp_path: Path, change: Callable[[Arrays], None], file: str, says: str) -> None:
    arrays = small_dataset(train=2000, test=200)
    change(arrays)
    folder = write_folder(tmp_path, encode(arrays))
    with pytest.raises(DatasetInvalidError) as caught:
        load_folder(folder)
    assert f"{folder}/{file}" in caught.value.message
    assert says in caught.value.message
    found = [str(finding) for finding in verify_folder(folder) if finding.severity == "error"]
    assert any(says in text and file in text for text in found)


def test_labels_may_begin_with_one(tmp_path: Path) -> None:
    arrays = small_dataset()
    arrays[Role.TRAIN_LABELS] += 1
    arrays[Role.TEST_LABELS] += 1
    assert load_folder(write_folder(tmp_path, encode(arrays))).classes == 11


def test_a_small_class_is_a_class(tmp_path: Path) -> None:
    arrays = small_dataset(train=40)
    arrays[Role.TRAIN_LABELS][arrays[Role.TRAIN_LABELS] == 9] = 0
    arrays[Role.TRAIN_LABELS][5] = 9
    assert load_folder(write_folder(tmp_path, encode(arrays))).classes == 10


def test_verify_finds_everything_at_once(tmp_path: Path) -> None:
    arrays = small_dataset()
    arrays[Role.TRAIN_IMAGES][4] = 0
    files = encode(arrays)
    files["t10k-labels-idx1-ubyte.gz"] = b"<html>"
    files["t10k-images-idx3-ubyte.gz"] = write_idx(arrays[Role.TEST_IMAGES], compress=True)[:-20]
    findings = verify_folder(write_folder(tmp_path, files))
    assert [(f.severity, Path(f.where).name.split("-idx")[0]) for f in findings] == [
        ("error", "t10k-images"),
        ("error", "t10k-labels"),
        ("warning", "train-images"),
    ]
    assert verify_folder(tmp_path / "none")[0].severity == "error"


def test_verify_is_content_with_a_good_one(tmp_path: Path) -> None:
    assert verify_folder(write_folder(tmp_path, encode(small_dataset()))) == []
