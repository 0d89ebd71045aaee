"""Picture files of any usual kind: opened safely, and decoded to a dataset's size and channels.

Everything that opens a picture comes through :func:`open_picture`: `data convert` for datasets, `predict` for photos.
It takes a list of formats that Pillow decodes by itself (others start programs: an EPS runs Ghostscript), looks at the
size that a file announces before it unpacks anything, turns the picture upright, scales 16 bits to 8, and puts what is
transparent on paper.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mnist_trainer.errors import DatasetInvalidError

MAX_BYTES = 64 << 20
"""Of one picture's file."""
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Pillow's, by the number of channels."""
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_MAX_PIXELS = 50_000_000
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def read_picture_file(path: Path) -> bytes:
    """A picture's file. Raises DatasetInvalidError, naming it, where it cannot be read or is beyond `MAX_BYTES`."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DatasetInvalidError(f"{path}: not a picture that can be read ({error.strerror or error})") from None
    if len(data) > MAX_BYTES:
        raise too_large(str(path))
    return data


def too_large(name: str) -> DatasetInvalidError:
    """The error for a file beyond `MAX_BYTES`."""
    return DatasetInvalidError(f"{name}: larger than {MAX_BYTES >> 20} MiB, too large for one picture")


@contextmanager
def without_warnings() -> Iterator[None]:
    """Inside, Pillow does not warn of odd metadata, nor of sizes that are checked here. For one thread."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def open_picture(data: bytes, name: str, mode: str) -> Image.Image:
    """A picture in `mode` ("L", "RGB" or "RGBA"), upright, unpacked; `name` stands in messages.

    Raises DatasetInvalidError for other formats, more than 50 million pixels, and damaged files.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MAX_PIXELS:
                raise DatasetInvalidError(f"{name}: a picture of {opened.width}x{opened.height} pixels is too large")
            return in_mode(ImageOps.exif_transpose(opened), mode)
    except DatasetInvalidError:
        raise
    except Exception as error:  # noqa: BLE001  (decoders of damaged pictures raise all kinds of errors)
        raise DatasetInvalidError(f"{name}: not a picture that can be read ({_reason(data, error)})") from None


def decode(data: bytes, name: str, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Pixels as uint8 [height, width] (1 channel) or [height, width, channels]; see :func:`fitted`.

    Raises DatasetInvalidError, naming the file.
    """
    return fitted(open_picture(data, name, MODES[channels]), height, width)


def in_mode(picture: Image.Image, mode: str) -> Image.Image:
    """A picture of any mode in "L", "RGB" or "RGBA". Raises ValueError for pixels of neither 8 nor 16 bits."""
    if picture.mode[0] in "IF":
        picture = _eight_bits(picture)
    if mode == "RGBA":
        return picture.convert(mode)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = _on_paper(picture.convert("RGBA"))
    return picture.convert(mode)


def fitted(picture: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
    """The picture scaled to fit, in its proportions; what is left gets the colour of most of its border."""
    if picture.size == (width, height):
        return np.asarray(picture)
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    pixels = np.asarray(picture.resize(size, Image.Resampling.LANCZOS))
    if pixels.shape[:2] == (height, width):
        return pixels
    result = np.empty((height, width, *pixels.shape[2:]), np.uint8)
    result[:] = np.median(_border(pixels), axis=0).astype(np.uint8)
    top, left = (height - pixels.shape[0]) // 2, (width - pixels.shape[1]) // 2
    result[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return result


def border_level(pixels: NDArray[np.uint8]) -> float:
    """Brightness of most of the border of [H, W]."""
    return float(np.median(_border(pixels)))


def _reason(data: bytes, error: Exception) -> str:
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF_BRANDS:
        return "it is HEIC, as iPhones take photos: export it as JPEG or PNG"
    said = " ".join(str(error).split()) or type(error).__name__
    if "cannot identify" not in said:
        return f"{said[:200]}: repair or remove it"
    return f"its content is of no known kind: {', '.join(_FORMATS)} are read"


def _eight_bits(picture: Image.Image) -> Image.Image:
    """From 16 bits per pixel (Pillow would cut them off, not scale them)."""
    values = np.asarray(picture)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are neither of 8 nor of 16 bits")
    return Image.fromarray((values.astype(np.uint32) // 257).astype(np.uint8))


def _on_paper(picture: Image.Image) -> Image.Image:
    """Fill what is transparent: white behind dark ink, black behind bright ink."""
    pixels = np.asarray(picture, dtype=np.float32)
    opacity = pixels[..., 3]
    total = float(opacity.sum())
    brightness = float((pixels[..., :3].mean(-1) * opacity).sum() / total) if total else 0.0
    paper = Image.new("RGBA", picture.size, "white" if brightness < 128 else "black")
    return Image.alpha_composite(paper, picture).convert("RGB")


def _border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
