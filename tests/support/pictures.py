"""Folders of small pictures, one for each class."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    """A picture file of [H, W], [H, W, 3] or [H, W, 4]."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def ink(label: int, number: int, side: int = 40, colour: bool = False) -> np.ndarray:
    """A dark bar on bright paper, whose place tells the class; `number` makes it a picture of its own."""
    pixels = np.full((side, side), 250, np.uint8)
    pixels[4 + 8 * label : 9 + 8 * label, 5 : side - 5] = 10 + number % 90
    return np.stack([pixels, pixels // 2, 255 - pixels], axis=-1) if colour else pixels


def pictures(classes: tuple[str, ...] = ("a", "b", "c"), each: int = 10, colour: bool = False) -> dict[str, bytes]:
    """Paths and contents."""
    return {
        f"{name}/{number:03}.png": png(ink(label, number, colour=colour))
        for label, name in enumerate(classes)
        for number in range(each)
    }


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Put files into folders."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """The same as an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
