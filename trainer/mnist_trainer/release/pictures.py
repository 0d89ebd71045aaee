"""Small pictures of images, as data URLs."""

from __future__ import annotations

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image


def data_url(image: npt.NDArray[np.uint8]) -> str:
    """A PNG of an image ``[H, W]`` or ``[H, W, 1|3]``; grey ones as ink on paper."""
    pixels = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
    shown = np.ascontiguousarray(255 - pixels if pixels.ndim == 2 else pixels)
    buffer = io.BytesIO()
    Image.fromarray(shown).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
