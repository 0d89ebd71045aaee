"""The IDX format: two zero bytes, a type, the number of dimensions, their sizes (big-endian uint32), then the values.

Format: http://yann.lecun.com/exdb/mnist/ ("the IDX file format"). Readers take any bytes and give an array or a
DatasetInvalidError whose message begins with the object's name; they never inflate more than a header announces.
Whether a file is gzip is told from its content: browsers and ``curl --compressed`` leave plain files named .gz.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnist_trainer.errors import DatasetInvalidError

Buffer = bytes | bytearray | memoryview | mmap
_Check = Callable[[np.dtype[Any], tuple[int, ...], str], None]

_TYPES: dict[int, np.dtype[np.generic]] = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _TYPES.items()}
_GZIP = b"\x1f\x8b"
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_MAX_DIMENSIONS = 4
_MAX_SIDE = 4096  # pixels; beyond it a header is taken as damaged
_INFLATE_BYTES = 64 * 1024
_PIECE_BYTES = 4 << 20
_MAX_MEMBERS = 65536
MAX_BYTES = 4 << 30
MAX_LABEL_BYTES = 1 << 30
_LOOKS_LIKE = (
    (b"<", "HTML or XML"),
    (b"PK", "a zip archive"),
    (b"\x93NUMPY", "a NumPy file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8", "a JPEG image"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"{", "JSON"),
)


def read_idx(data: Buffer, name: str, max_bytes: int = MAX_BYTES) -> NDArray[np.generic]:
    """Decode a plain or gzipped IDX file into a read-only array of its type and shape.

    `name` stands at the beginning of every message. Raises DatasetInvalidError.
    """
    return _read(data, name, max_bytes, lambda *_: None)


def _read(data: Buffer, name: str, max_bytes: int, check: _Check) -> NDArray[np.generic]:
    source = _Source(data, name)
    dtype, shape = _read_header(source, name)
    check(dtype, shape, name)
    expected = math.prod(shape) * dtype.itemsize
    if expected > max_bytes:
        raise DatasetInvalidError(f"{name}: its header announces {_shape(shape)} values, more than {max_bytes} bytes")
    values = source.take(expected)
    if len(values) < expected:
        raise _truncated(name, shape, expected, len(values))
    source.finish()
    return np.frombuffer(values, dtype=dtype).reshape(shape)


def read_images(data: Buffer, name: str, max_bytes: int = MAX_BYTES) -> NDArray[np.uint8]:
    """Images as uint8 [N, H, W] or [N, H, W, C]. Raises DatasetInvalidError."""
    return _read(data, name, max_bytes, _check_images).view(np.uint8)


def is_gzip(start: Buffer) -> bool:
    """Whether a file that begins so is compressed."""
    return bytes(start[:2]) == _GZIP


def images_shape(start: Buffer, name: str) -> tuple[int, ...]:
    """The shape that a file of images announces in its first bytes (a few hundred are enough).

    Raises DatasetInvalidError.
    """
    dtype, shape = _read_header(_Source(start, name), name)
    _check_images(dtype, shape, name)
    return shape


def unpack_images(data: Buffer, name: str, write: Callable[[bytes], object]) -> tuple[int, ...]:
    """Give a file of images to `write` as plain IDX, a piece at a time, and return its shape.

    Raises DatasetInvalidError as :func:`read_images` does, perhaps after much has been written; or what `write` raises.
    """
    source = _Source(data, name)
    dtype, shape = _read_header(source, name)
    _check_images(dtype, shape, name)
    write(header(dtype, shape))
    left = expected = math.prod(shape)
    while left:
        piece = source.take(min(left, _PIECE_BYTES))
        if not piece:
            raise _truncated(name, shape, expected, expected - left)
        write(piece)
        left -= len(piece)
    source.finish()
    return shape


def _read_header(source: _Source, name: str) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    magic = source.take(4)
    if len(magic) < 4:
        raise DatasetInvalidError(f"{name}: truncated: {len(magic)} bytes, an IDX header has at least 8")
    zero, code, dimensions = struct.unpack(">HBB", magic)
    dtype = _TYPES.get(code)
    if zero != 0 or dtype is None or dimensions == 0:
        raise DatasetInvalidError(f"{name}: {_guess(magic)}")
    if dimensions > _MAX_DIMENSIONS:
        raise DatasetInvalidError(f"{name}: {dimensions} dimensions, at most {_MAX_DIMENSIONS} make sense")
    sizes = source.take(4 * dimensions)
    if len(sizes) < 4 * dimensions:
        raise DatasetInvalidError(f"{name}: truncated within its header")
    return dtype, struct.unpack(f">{dimensions}I", sizes)


def _check_images(dtype: np.dtype[Any], shape: tuple[int, ...], name: str) -> None:
    if len(shape) == 1:
        raise DatasetInvalidError(f"{name}: holds labels (1 dimension) where images are expected")
    if len(shape) == 2:
        raise DatasetInvalidError(f"{name}: has 2 dimensions, images need 3 (count, height, width) or 4 (and channels)")
    if dtype != np.uint8:
        raise DatasetInvalidError(f"{name}: values are {dtype.name}, images need unsigned bytes")
    sides = shape[1:3]
    if min(sides) < 1 or max(sides) > _MAX_SIDE:
        raise DatasetInvalidError(f"{name}: images of {sides[0]}x{sides[1]} pixels, sides must be 1 to {_MAX_SIDE}")
    if len(shape) == 4 and shape[3] not in (1, 3, 4):
        raise DatasetInvalidError(f"{name}: images with {shape[3]} channels, 1, 3 or 4 are possible")
    if shape[0] == 0:
        raise DatasetInvalidError(f"{name}: contains no images")


def read_labels(data: Buffer, name: str, max_bytes: int = MAX_BYTES) -> NDArray[np.uint8]:
    """Labels as uint8 [N]. Raises DatasetInvalidError."""
    array = read_idx(data, name, max_bytes)
    if array.ndim >= 3:
        raise DatasetInvalidError(f"{name}: holds images ({array.ndim} dimensions) where labels are expected")
    if array.ndim != 1:
        raise DatasetInvalidError(f"{name}: has {array.ndim} dimensions, labels have 1")
    if array.dtype.kind not in "iu":
        raise DatasetInvalidError(f"{name}: values are {array.dtype.name}, labels need whole numbers")
    if array.shape[0] == 0:
        raise DatasetInvalidError(f"{name}: contains no labels")
    values = array.astype(np.int64)
    outside = np.flatnonzero((values < 0) | (values > 255))
    if outside.size:
        raise DatasetInvalidError(
            f"{name}: label {values[outside[0]]} at index {outside[0]} is out of range (0 to 255)"
        )
    return array.view(np.uint8) if array.dtype == np.uint8 else values.astype(np.uint8)


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """What stands before the values of an array."""
    code = _CODES.get(dtype.newbyteorder("="))
    if code is None or not 1 <= len(shape) <= 255:
        raise ValueError(f"IDX cannot hold {dtype} with {len(shape)} dimensions")
    return struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)


def write_idx(array: NDArray[np.generic], compress: bool = False) -> bytes:
    """Encode an array; `compress` gives gzip bytes that depend on the content alone."""
    start = header(array.dtype, array.shape)
    body = start + np.ascontiguousarray(array, dtype=_TYPES[start[2]]).tobytes()
    return gzip.compress(body, mtime=0) if compress else body


class _Source:
    """Bytes, inflated on the way if they are gzip, handed out in measured portions."""

    def __init__(self, data: Buffer, name: str) -> None:
        self._name = name
        self._data = memoryview(data)
        start = bytes(self._data[:4])
        self._at = 0
        self._members = 1
        if not start:
            raise DatasetInvalidError(f"{name}: is empty (0 bytes)")
        self._inflating = zlib.decompressobj(wbits=31) if is_gzip(start) else None

    def take(self, count: int) -> bytes:
        """The next `count` bytes, fewer only at the end."""
        if self._inflating is None:
            plain = bytes(self._data[self._at : self._at + count])
            self._at += len(plain)
            return plain
        parts = bytearray()
        while len(parts) < count:
            if self._inflating.eof and not self._next_member():
                break
            if not (portion := self._inflate(count - len(parts))) and self._at == len(self._data):
                break
            parts += portion
        return bytes(parts)

    def finish(self) -> None:
        """Make sure that nothing follows, and that gzip's own checksum is right."""
        if self.take(1):
            raise DatasetInvalidError(f"{self._name}: trailing bytes after the values that its header announces")
        if self._inflating is not None and not self._inflating.eof:
            raise DatasetInvalidError(f"{self._name}: truncated gzip data")

    def _inflate(self, count: int) -> bytes:
        assert self._inflating is not None
        # In small pieces: zlib copies whatever it does not use of each.
        piece = self._data[self._at : self._at + _INFLATE_BYTES]
        try:
            portion = self._inflating.decompress(piece, count)
        except zlib.error as error:
            raise DatasetInvalidError(f"{self._name}: damaged gzip data: {error}") from None
        left = self._inflating.unused_data if self._inflating.eof else self._inflating.unconsumed_tail
        self._at += len(piece) - len(left)
        return portion

    def _next_member(self) -> bool:
        """Go on with the next gzip member; padding with zeros is allowed, anything else is not."""
        rest = bytes(self._data[self._at : self._at + 2])
        if rest != _GZIP:
            if any(self._data[self._at :]):
                raise DatasetInvalidError(f"{self._name}: trailing bytes after its gzip data")
            return False
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise DatasetInvalidError(f"{self._name}: more than {_MAX_MEMBERS} gzip members")
        self._inflating = zlib.decompressobj(wbits=31)
        return True


def _truncated(name: str, shape: tuple[int, ...], expected: int, there: int) -> DatasetInvalidError:
    return DatasetInvalidError(
        f"{name}: truncated: its header announces {_shape(shape)}, {expected} bytes, but {there} follow"
    )


def _guess(magic: bytes) -> str:
    """What a file is that begins with these four bytes instead of an IDX header."""
    if _LFS_POINTER.startswith(magic):
        return "is a Git LFS pointer, not the file itself: `git lfs pull` fetches the file"
    if magic.startswith(_GZIP):
        return "is gzip within gzip: unpack it once with gunzip"
    for prefix, kind in _LOOKS_LIKE:
        if magic.startswith(prefix[:4]):
            return f"bad magic number 0x{magic.hex()}: it looks like {kind}, not IDX"
    return f"bad magic number 0x{magic.hex()}: not an IDX file (expected 00 00, a type and the number of dimensions)"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape)
