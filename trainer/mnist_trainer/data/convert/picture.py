"""One picture file, of any usual kind, as an array of the dataset's size and channels."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mnist_trainer.errors import DatasetInvalidError

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")  # no format whose reader starts other programs
_MOST_PIXELS = 50_000_000
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def decode(data: bytes, name: str, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """Pixels as uint8 [height, width] (1 channel) or [height, width, channels].

    The picture is scaled to fit and keeps its proportions; what is left at the sides gets the colour of most of its
    border. Raises DatasetInvalidError, naming the file.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise DatasetInvalidError(f"{name}: a picture of {opened.width}x{opened.height} pixels is too large")
            return _fitted(_in_mode(ImageOps.exif_transpose(opened), _MODES[channels]), height, width)
    except DatasetInvalidError:
        raise
    except Exception as error:  # noqa: BLE001  (decoders of damaged pictures raise all kinds of errors)
        said = " ".join(str(error).split()) or type(error).__name__
        said = "its content is of no known kind" if "cannot identify" in said else said
        raise DatasetInvalidError(
            f"{name}: not a picture that can be read ({said[:200]}): repair or remove it"
        ) from None


def border_level(pixels: NDArray[np.uint8]) -> float:
    """Brightness of most of the border of [H, W]."""
    return float(np.median(_border(pixels)))


def _in_mode(picture: Image.Image, mode: str) -> Image.Image:
    if picture.mode[0] in "IF":
        picture = _eight_bits(picture)
    if mode == "RGBA":
        return picture.convert(mode)
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = _on_paper(picture.convert("RGBA"))
    return picture.convert(mode)


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


def _fitted(picture: Image.Image, height: int, width: int) -> NDArray[np.uint8]:
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


def _border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
