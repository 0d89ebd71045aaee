"""What holds for any names, any pictures and any bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.pictures import ink, png

from mnist_trainer.data.convert.tree import Picture, divide, sort_out
from mnist_trainer.data.pictures import decode
from mnist_trainer.errors import DatasetInvalidError

parts = st.sampled_from(["a", "b", "1", "02", "train", "test", "val", "x.png", "y.JPG", "z.txt", ".git", "Thumbs.db"])
names = st.lists(st.lists(parts, min_size=1, max_size=4).map("/".join), max_size=12, unique=True)
GOOD = png(ink(1, 0, 12))


@given(names)
def test_any_names_are_sorted_out_or_refused(found: list[str]) -> None:
    try:
        tree = sort_out(found, "src")
    except DatasetInvalidError as error:
        assert error.message.startswith("src: ")  # noqa: PT017
        return
    assert {picture.name for picture in tree.pictures} <= set(found)
    assert {picture.label for picture in tree.pictures} == set(tree.classes)
    assert len(tree.classes) >= 2
    assert sort_out(reversed(found), "src") == tree


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.floats(0.01, 0.99), st.integers(0, 9))
def test_every_class_is_divided_and_none_is_lost(sizes: list[int], share: float, seed: int) -> None:
    pictures = [Picture(f"{c}/{i}", f"{c}/{i}", str(c), None) for c, size in enumerate(sizes) for i in range(size)]
    train, test = divide(pictures, share, seed)
    assert sorted(p.name for p in train + test) == sorted(p.name for p in pictures)
    for label, size in enumerate(sizes):
        tested = sum(p.label == str(label) for p in test)
        assert tested == (0 if size == 1 else min(size - 1, max(1, round(share * size))))
    assert divide(pictures[::-1], share, seed) == (train, test)


@settings(max_examples=60)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255), st.booleans())
def test_any_damage_is_a_picture_or_a_clear_error(at: int, change: int, cut: bool) -> None:
    bad = GOOD[:at] if cut else GOOD[:at] + bytes([GOOD[at] ^ change]) + GOOD[at + 1 :]
    try:
        pixels = decode(bad, "x", 7, 9, 1)
    except DatasetInvalidError as error:
        assert error.message.startswith("x: ")  # noqa: PT017
        assert "\n" not in error.message  # noqa: PT017
    else:
        assert (pixels.shape, pixels.dtype) == ((7, 9), np.uint8)


@given(st.binary(max_size=100))
def test_any_bytes_too(data: bytes) -> None:
    with pytest.raises(DatasetInvalidError, match=r"^x: "):
        decode(data, "x", 7, 9, 1)


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([1, 3, 4]))
@settings(max_examples=30)
def test_any_size_fits(height: int, width: int, channels: int) -> None:
    pixels = decode(png(np.full((height, width), 7, np.uint8)), "x", 5, 6, channels)
    assert pixels.shape == ((5, 6) if channels == 1 else (5, 6, channels))
    assert (pixels[..., :3] == 7).all() if channels > 1 else (pixels == 7).all()
