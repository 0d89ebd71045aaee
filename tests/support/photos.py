"""Digits as people photograph them: pen on paper, under a light that is not even, with a camera's noise and blur."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

PENS = {
    "blue ink": (35, 55, 150),
    "black ink": (25, 25, 30),
    "red ink": (175, 35, 45),
    "green ink": (25, 110, 60),
    "pencil": (95, 95, 100),
}
PAPERS = {"white": (240, 240, 236), "grey": (176, 178, 180), "cream": (232, 222, 196), "blue": (190, 205, 222)}


@dataclass(frozen=True)
class Scene:
    """How a photo is taken. Lengths in shares of the frame's height, `noise` in grey levels (0 to 255)."""

    pen: tuple[int, int, int] = PENS["blue ink"]
    paper: tuple[int, int, int] = PAPERS["grey"]
    side: float = 0.45
    centre: tuple[float, float] = (0.5, 0.5)  # across and down, each 0 to 1 of what keeps the digit inside
    degrees: float = 0.0
    gradient: float = 0.25  # of the light is missing in the darkest corner
    direction: float = 0.7  # radians
    vignette: float = 0.05
    noise: float = 4.0
    blur: float = 0.001
    level: float = 0.5  # where the digit's grey becomes ink: lower is a thicker pen
    size: tuple[int, int] = (1600, 1200)

    @classmethod
    def random(cls, random: np.random.Generator) -> Scene:
        """Any photo that is no trick: the digit lies whole and well apart from the frame."""
        return cls(
            pen=list(PENS.values())[random.integers(len(PENS))],
            paper=list(PAPERS.values())[random.integers(len(PAPERS))],
            side=float(random.uniform(0.2, 0.75)),
            centre=(float(random.uniform(0, 1)), float(random.uniform(0, 1))),
            degrees=float(random.uniform(-10, 10)),
            gradient=float(random.uniform(0.05, 0.45)),
            direction=float(random.uniform(0, 2 * np.pi)),
            vignette=float(random.uniform(0, 0.2)),
            noise=float(random.uniform(1, 10)),
            blur=float(random.uniform(0, 0.004)),
            level=float(random.uniform(0.35, 0.65)),
        )


def photograph(digit: np.ndarray, scene: Scene, random: np.random.Generator) -> Image.Image:
    """A photo in RGB of a digit [28, 28] (bright ink on black, as MNIST has them)."""
    width, height = scene.size
    light = _light(scene)
    ink = _ink(digit, scene)[..., None]
    colours = np.asarray(scene.paper, np.float32) * (1 - ink) + np.asarray(scene.pen, np.float32) * ink
    lit = Image.fromarray((colours * light[..., None]).clip(0, 255).astype(np.uint8))
    blurred = np.asarray(lit.filter(ImageFilter.GaussianBlur(scene.blur * height)), np.float32)
    noisy = blurred + random.normal(0, scene.noise, (height, width, 3)).astype(np.float32)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def _light(scene: Scene) -> np.ndarray:
    width, height = scene.size
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = (across * np.cos(scene.direction) + down * np.sin(scene.direction)) / np.sqrt(2)
    return 1 - scene.gradient * (slope + 1) / 2 - scene.vignette * (across**2 + down**2) / 2


def _ink(digit: np.ndarray, scene: Scene) -> np.ndarray:
    """How much of each pixel of the frame is ink, 0 to 1."""
    width, height = scene.size
    side = max(8, round(scene.side * height))
    large = Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)
    turned = large.rotate(scene.degrees, Image.Resampling.BICUBIC)
    sharp = (np.asarray(turned, np.float32) / 255 - scene.level) * side / 28 + 0.5  # an edge of one pixel
    frame = np.zeros((height, width), np.float32)
    left, top = round(scene.centre[0] * (width - side)), round(scene.centre[1] * (height - side))
    frame[top : top + side, left : left + side] = sharp.clip(0, 1)
    return frame
