"""Any picture of one character, made to look like the images that the model was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from mnist_trainer.data.convert.picture import decode
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError
from mnist_trainer.plan import ModelSpec

_MOST_PIXELS = 50_000_000
_INK = 0.2  # of the darkest-to-brightest range: what is fainter is paper
_BOX = 20 / 28  # of the side that the character fills, as in MNIST


def read_picture(path: Path, spec: ModelSpec) -> npt.NDArray[np.uint8]:
    """The picture as ``[H, W]`` or ``[H, W, C]``, as the model takes it. Raises InvalidConfigError, naming the file."""
    if spec.channels != 1:
        return _in_colour(path, spec)
    try:
        with Image.open(path) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                raise InvalidConfigError(f"{path}: a picture of {opened.width}x{opened.height} pixels is too large")
            picture = ImageOps.exif_transpose(opened)
            flat = _on_white(picture)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InvalidConfigError(f"{path}: not a picture that can be read: {error}") from error
    return centred(np.asarray(flat.convert("L")), spec.height, spec.width)


def centred(grey: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """MNIST's own preparation: bright ink on black, scaled to a box of 20 pixels in 28, its mass in the middle.

    The paper is what most of the border is; ink may be darker or brighter than it.
    """
    values = grey.astype(np.float32)
    border = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    ink = np.abs(values - np.median(border))
    if ink.max() < 8:
        return np.zeros((height, width), np.uint8)  # an empty sheet
    ink /= ink.max()
    rows, columns = np.flatnonzero((ink > _INK).any(1)), np.flatnonzero((ink > _INK).any(0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min(height, width) * _BOX / max(crop.shape)
    size = (max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale)))
    small = np.asarray(Image.fromarray((crop * 255).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS))
    mass = small.astype(np.float64)
    down = float((mass.sum(1) * np.arange(size[1])).sum() / mass.sum())
    across = float((mass.sum(0) * np.arange(size[0])).sum() / mass.sum())
    top = min(max(0, round(height / 2 - 0.5 - down)), height - size[1])
    left = min(max(0, round(width / 2 - 0.5 - across)), width - size[0])
    canvas = np.zeros((height, width), np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def _in_colour(path: Path, spec: ModelSpec) -> npt.NDArray[np.uint8]:
    """As `mnistctl data convert` prepares pictures in colour."""
    try:
        return decode(path.read_bytes(), str(path), spec.height, spec.width, spec.channels)
    except OSError as error:
        raise InvalidConfigError(f"{path}: not a picture that can be read: {error}") from error
    except DatasetInvalidError as error:
        raise InvalidConfigError(error.message) from error


def _on_white(picture: Image.Image) -> Image.Image:
    if "A" not in picture.getbands() and "transparency" not in picture.info:
        return picture
    whole = picture.convert("RGBA")
    paper = Image.new("RGBA", whole.size, "white")
    return Image.alpha_composite(paper, whole).convert("RGB")
