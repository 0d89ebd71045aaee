"""Which class and which part of the dataset a picture belongs to: read from its path alone.

Where the paths do not say which pictures are for testing, a share of each class is, decided by seed and name, so that
adding or removing pictures leaves the others where they were.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mnist_trainer.errors import DatasetInvalidError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
_TRAIN = {"train", "training"}
_TEST = {"test", "testing", "t10k", "val", "valid", "validation"}
_JUNK = {"__macosx", "thumbs.db", "desktop.ini"}
_MOST_CLASSES = 256


@dataclass(frozen=True)
class Picture:
    """`name` is its path in the source, `key` the part of it from the class on.

    `is_test` is None where the source makes no difference.
    """

    name: str
    key: str
    label: str
    is_test: bool | None


@dataclass(frozen=True)
class Tree:
    """All pictures in the order of their names, the classes' names in the order of their labels, what was left out.

    `first_label` is 1 for folders named 1 to n, so that they keep their numbers; otherwise 0.
    """

    pictures: list[Picture]
    classes: list[str]
    first_label: int
    skipped: int


def sort_out(names: Iterable[str], where: str) -> Tree:
    """Tell from paths ("/" between folders) what is what.

    Either ``CLASS/.../picture``, or ``train/CLASS/.../picture`` with ``test/CLASS/.../picture``; one folder around all
    of it is fine. Raises DatasetInvalidError that names the file that does not fit.
    """
    names = sorted(name for name in names if not is_junk(name))
    found = [name for name in names if is_picture(name)]
    if not found:
        raise DatasetInvalidError(f"{where}: there is no picture in it (looked for {', '.join(_SUFFIXES)})")
    parts = _unwrapped([name.split("/") for name in found])
    tops = {part[0].lower() for part in parts if len(part) > 1}
    has_splits = bool(tops & _TRAIN)
    if has_splits:
        _check_splits(tops, where)
    pictures = [_picture(name, part, has_splits, where) for name, part in zip(found, parts, strict=True)]
    if has_splits and not tops & _TEST:  # train/ alone: its pictures are divided like any others
        pictures = [replace(picture, is_test=None) for picture in pictures]
    return make_tree(pictures, len(names) - len(found), where, "folder(s) of pictures")


def make_tree(pictures: list[Picture], skipped: int, where: str, kind: str) -> Tree:
    """Give the classes of `pictures` their labels. Raises DatasetInvalidError unless there are 2 to 256 of them."""
    classes = _in_order({picture.label for picture in pictures})
    if not 2 <= len(classes) <= _MOST_CLASSES:
        raise DatasetInvalidError(
            f"{where}: {len(classes)} {kind} ({', '.join(classes[:3])}"
            f"{', ...' if len(classes) > 3 else ''}); one is needed for each of 2 to {_MOST_CLASSES} classes"
        )
    numbered = classes == [str(number) for number in range(1, len(classes) + 1)] and len(classes) < _MOST_CLASSES
    return Tree(pictures, classes, 1 if numbered else 0, skipped)


def is_picture(name: str) -> bool:
    """Whether a file's name is that of a picture."""
    return name.lower().endswith(_SUFFIXES)


def is_junk(name: str) -> bool:
    """Whether a path is what operating systems leave behind."""
    return any(part.startswith(".") or part.lower() in _JUNK for part in name.split("/"))


def split_of(stem: str) -> bool | None:
    """Whether a file's name says that it is for testing (True) or training (False), as in ``mnist_test.csv``."""
    words = set(re.split(r"[^a-z]+", re.sub(r"t10k", "test", stem.lower())))
    if words & _TEST:
        return True
    return False if words & _TRAIN else None


def shuffle_key(seed: int, key: str) -> bytes:
    """Sorting by it is a shuffle; adding or removing pictures leaves the others' order as it is."""
    return hashlib.sha256(f"{seed}/{key}".encode("utf-8", "surrogateescape")).digest()


def divide(pictures: Sequence[Picture], share: float, seed: int) -> tuple[list[Picture], list[Picture]]:
    """(training, test) pictures, each in shuffled order. A class of at least two pictures has one on either side."""
    ordered = sorted(pictures, key=lambda picture: (shuffle_key(seed, picture.key), picture.name))
    if any(picture.is_test is not None for picture in pictures):
        return [p for p in ordered if not p.is_test], [p for p in ordered if p.is_test]
    of_class: dict[str, list[Picture]] = defaultdict(list)
    for picture in ordered:
        of_class[picture.label].append(picture)
    test: set[str] = set()
    for members in of_class.values():
        if len(members) > 1:
            count = min(len(members) - 1, max(1, round(share * len(members))))
            test.update(picture.name for picture in members[:count])
    return [p for p in ordered if p.name not in test], [p for p in ordered if p.name in test]


def _unwrapped(parts: list[list[str]]) -> list[list[str]]:
    """Without folders that hold everything, as long as two levels are left."""
    while (
        all(len(part) > 2 for part in parts)
        and len({part[0] for part in parts}) == 1
        and parts[0][0].lower() not in _TRAIN | _TEST
    ):
        parts = [part[1:] for part in parts]
    return parts


def _check_splits(tops: set[str], where: str) -> None:
    others = sorted(tops - _TRAIN - _TEST)
    tests = sorted(tops & _TEST)
    if others:
        raise DatasetInvalidError(f"{where}: beside train/ lies {others[0]}/: is it a class or a part of the dataset?")
    if len(tests) > 1:
        raise DatasetInvalidError(f"{where}: {'/ and '.join(tests)}/ could both be the test images: leave one")
    if len(tops & _TRAIN) > 1:
        raise DatasetInvalidError(f"{where}: there are several folders of training images: leave one")


def _picture(name: str, parts: Sequence[str], has_splits: bool, where: str) -> Picture:
    at = 1 if has_splits else 0
    if len(parts) < at + 2:
        raise DatasetInvalidError(f"{where}: {name} lies in no class's folder (expected CLASS/{parts[-1]})")
    return Picture(name, "/".join(parts[at:]), parts[at], parts[0].lower() in _TEST if has_splits else None)


def _in_order(names: set[str]) -> list[str]:
    """By number where all are numbers, otherwise by the alphabet."""
    if all(name.isascii() and name.isdecimal() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)
