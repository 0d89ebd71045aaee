"""Small pictures of images."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

_Pixels = npt.NDArray[np.uint8]


def data_url(image: _Pixels) -> str:
    """A PNG of an image ``[H, W]`` or ``[H, W, 1|3]``, as a data URL; grey ones as ink on paper."""
    return "data:image/png;base64," + base64.b64encode(png(as_seen(image))).decode()


def as_seen(image: _Pixels) -> _Pixels:
    """The image as people write it: grey ones as dark ink on white paper."""
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    return np.ascontiguousarray(255 - pixels if pixels.ndim == 2 else pixels)


def contact_sheet(images: Sequence[_Pixels], gap: int = 2) -> _Pixels:
    """Images of one shape side by side, about as wide as high, on grey."""
    shown = [as_seen(image) for image in images]
    height, width = shown[0].shape[:2]
    columns = math.ceil(math.sqrt(len(shown)))
    rows = math.ceil(len(shown) / columns)
    size = (rows * (height + gap) + gap, columns * (width + gap) + gap)
    sheet: _Pixels = np.full((*size, *shown[0].shape[2:]), 128, np.uint8)
    for number, image in enumerate(shown):
        row, column = divmod(number, columns)
        top, left = gap + row * (height + gap), gap + column * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def png(pixels: _Pixels) -> bytes:
    """A PNG file of ``[H, W]`` or ``[H, W, 3]``."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
