import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mnist_trainer.data import idx
from mnist_trainer.data.idx import read_idx, read_images, read_labels, write_idx
from mnist_trainer.errors import DatasetInvalidError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([3, 1, 4, 1, 5], dtype=np.uint8)

arrays = hnp.arrays(
    dtype=st.sampled_from([np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64]).map(np.dtype),
    shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=6),
)


@given(arrays, st.booleans())
def test_round_trip(array: np.ndarray, compress: bool) -> None:
    again = read_idx(write_idx(array, compress), "x")
    assert again.shape == array.shape
    np.testing.assert_array_equal(again, array)


def test_the_bytes_are_those_of_the_format() -> None:
    assert write_idx(IMAGES)[:16] == bytes.fromhex("00000803 00000002 00000003 00000004")
    assert write_idx(LABELS) == bytes.fromhex("00000801 00000005 0301040105")
    assert write_idx(IMAGES, compress=True) == write_idx(IMAGES, compress=True)


def read_anything(data: bytes, name: str) -> None:
    for reader in (read_idx, read_images, read_labels):
        try:
            result = reader(data, name, max_bytes=1 << 20)
        except DatasetInvalidError as error:
            assert error.message.startswith(name)  # noqa: PT017
            assert "\n" not in error.message  # noqa: PT017
        else:
            assert result.size >= 0


@given(st.binary(max_size=200))
def test_any_bytes_are_an_array_or_a_clear_error(data: bytes) -> None:
    read_anything(data, "x")
    read_anything(data, "x.gz")


@given(st.binary(max_size=200), st.booleans())
def test_any_gzipped_bytes_too(data: bytes, cut: bool) -> None:
    packed = gzip.compress(data)
    read_anything(packed[:-9] if cut else packed, "x.gz")


headers = st.builds(
    lambda code, sizes, rest: struct.pack(f">HBB{len(sizes)}I", 0, code, len(sizes), *sizes) + rest,
    st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A]),
    st.lists(st.one_of(st.integers(0, 4), st.integers(0, 2**32 - 1)), max_size=6),
    st.binary(max_size=100),
)


@given(headers, st.booleans())
def test_any_header_too(data: bytes, compress: bool) -> None:
    read_anything(gzip.compress(data) if compress else data, "x")


@given(st.data(), st.booleans())
def test_a_damaged_file_is_never_mistaken_for_another_shape(data: st.DataObject, compress: bool) -> None:
    good = write_idx(IMAGES, compress)
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + bytes([good[at] ^ data.draw(st.integers(1, 255))]) + good[at + 1 :]
    try:
        result = read_idx(bad, "x")
    except DatasetInvalidError:
        return
    assert result.nbytes == IMAGES.nbytes


@given(st.integers(0, 1000), st.booleans())
def test_a_shortened_file_is_always_noticed(cut: int, compress: bool) -> None:
    good = write_idx(IMAGES, compress)
    with pytest.raises(DatasetInvalidError):
        read_idx(good[: cut % len(good)], "x")


PLAIN = write_idx(IMAGES)
GZ = gzip.compress(PLAIN)
BAD = {
    "empty": (b"", "x", "is empty"),
    "two bytes": (b"\0\0", "x", "truncated: 2 bytes"),
    "bad magic": (b"\x12\x34\x08\x03" + PLAIN[4:], "x", "bad magic number 0x12340803"),
    "unknown type": (b"\0\0\x0a\x03" + PLAIN[4:], "x", "bad magic number"),
    "no dimensions": (b"\0\0\x08\0", "x", "bad magic number"),
    "html": (b"<html>not found</html>", "x", "looks like HTML"),
    "zip": (b"PK\x03\x04....", "x", "a zip archive"),
    "header cut": (PLAIN[:10], "x", "truncated within its header"),
    "values cut": (PLAIN[:-1], "x", "announces 2x3x4, 24 bytes, but 23 follow"),
    "trailing": (PLAIN + b"\0", "x", "trailing bytes"),
    "gzip in gzip": (gzip.compress(GZ), "x.gz", "is gzip within gzip: unpack it once"),
    "pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9912422\n",
        "x.gz",
        "`git lfs pull`",
    ),
    "no gzip, no IDX": (b"<html>", "x.gz", "looks like HTML"),
    "gzip cut": (GZ[:-4], "x.gz", "truncated gzip"),
    "gzip checksum": (GZ[:-8] + bytes([GZ[-8] ^ 1]) + GZ[-7:], "x.gz", "damaged gzip"),
    "gzip body": (GZ[:10] + bytes([GZ[10] | 6]) + GZ[11:], "x.gz", "damaged gzip"),
    "trailing after gzip": (GZ + b"more", "x.gz", "trailing bytes after its gzip"),
    "second member": (GZ + gzip.compress(b"more"), "x.gz", "trailing bytes after the values"),
}


@pytest.mark.parametrize(("data", "name", "says"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_said(data: bytes, name: str, says: str) -> None:
    with pytest.raises(DatasetInvalidError) as caught:
        read_images(data, name)
    assert caught.value.message.startswith(f"{name}: ")
    assert says in caught.value.message


def test_whether_it_is_gzip_is_told_by_the_content_not_the_name() -> None:
    """Browsers and `curl --compressed` unpack on the way and keep the name."""
    np.testing.assert_array_equal(read_images(PLAIN, "x.gz"), IMAGES)
    np.testing.assert_array_equal(read_images(GZ, "x"), IMAGES)


def test_several_gzip_members_and_padding_are_one_file() -> None:
    packed = gzip.compress(PLAIN[:20]) + gzip.compress(b"") + gzip.compress(PLAIN[20:]) + b"\0" * 512
    np.testing.assert_array_equal(read_images(packed, "x.gz"), IMAGES)


def test_a_gzip_bomb_is_not_inflated(monkeypatch: pytest.MonkeyPatch) -> None:
    inflated = 0
    inflate = idx._Source._inflate

    def counting(self: idx._Source, count: int) -> bytes:
        nonlocal inflated
        portion = inflate(self, count)
        inflated += len(portion)
        return portion

    monkeypatch.setattr(idx._Source, "_inflate", counting)
    for header, says in (
        (PLAIN[:16], "trailing bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 4 + b"\0\0\0\x10" * 2, "more than"),
    ):
        inflated = 0
        with pytest.raises(DatasetInvalidError, match=says):
            read_images(gzip.compress(header + bytes(50 << 20)), "x.gz")
        assert inflated < 100


def test_endless_empty_members_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idx, "_MAX_MEMBERS", 100)
    with pytest.raises(DatasetInvalidError, match="more than 100 gzip members"):
        read_images(gzip.compress(b"", mtime=0) * 101, "x.gz")


SHAPES = [
    (LABELS, read_images, "holds labels (1 dimension) where images are expected"),
    (IMAGES, read_labels, "holds images (3 dimensions) where labels are expected"),
    (IMAGES[0], read_images, "2 dimensions"),
    (IMAGES[0], read_labels, "2 dimensions"),
    (IMAGES.astype(np.float32), read_images, "float32, images need unsigned bytes"),
    (LABELS.astype(np.float32), read_labels, "need whole numbers"),
    (np.array([1, 300], dtype=np.int32), read_labels, "label 300 at index 1 is out of range"),
    (np.array([1, -1], dtype=np.int8), read_labels, "label -1 at index 1 is out of range"),
    (IMAGES[:0], read_images, "contains no images"),
    (LABELS[:0], read_labels, "contains no labels"),
    (np.zeros((2, 0, 4), np.uint8), read_images, "0x4 pixels"),
    (np.zeros((1, 5000, 1), np.uint8), read_images, "5000x1 pixels"),
    (np.zeros((1, 2, 2, 7), np.uint8), read_images, "7 channels"),
]


@pytest.mark.parametrize(("array", "reader", "says"), SHAPES)
def test_the_wrong_kind_is_said(array: np.ndarray, reader: type, says: str) -> None:
    with pytest.raises(DatasetInvalidError) as caught:
        reader(write_idx(array), "x")
    assert says in caught.value.message


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int32])
def test_labels_of_any_whole_type(dtype: type) -> None:
    labels = read_labels(write_idx(LABELS.astype(dtype)), "x")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, LABELS)


@settings(max_examples=20)
@given(st.sampled_from([1, 3, 4]))
def test_channels(channels: int) -> None:
    images = np.zeros((2, 5, 6, channels), np.uint8)
    assert read_images(write_idx(images), "x").shape == images.shape
