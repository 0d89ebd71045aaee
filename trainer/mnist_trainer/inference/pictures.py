"""A photo, scan or drawing of one character, made to look like the images that the model was trained on.

What flows through: the picture in colour, reduced to some hundred pixels a side (which averages noise away) → what
differs from the paper, whose colour is a smooth surface fitted to it, since light is seldom even → ink, the part of
that difference in the direction of the ink's own colour → the strokes that belong together, without specks → MNIST's
own preparation: bright ink on black, scaled to a box of 20 pixels in 28, its mass in the middle. Where this cannot be
trusted, a sentence says why, and the answer is called doubtful however sure the model is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from mnist_trainer.data.pictures import fitted, open_picture, read_picture_file, without_warnings
from mnist_trainer.errors import DatasetInvalidError, InvalidConfigError
from mnist_trainer.plan import ModelSpec

_Floats = npt.NDArray[np.float32]
_Mask = npt.NDArray[np.bool_]

_SIDE = 480  # pixels of the longer side in which ink is looked for
_BLUR_FROM = 96  # pixels of the longer side: smaller pictures are drawn, not photographed
_BOX = 20 / 28  # of the side that the character fills, as in MNIST
_RING = 0.1  # of the shorter side: a border that is mostly paper
_FAINTEST = 8.0  # grey levels: paper itself differs by less
_INK = 0.4  # of the strokes' own strength: what is fainter is no stroke
_SPECK = 0.04  # of the largest stroke's area
_FULL = 0.5  # of the frame


@dataclass(frozen=True)
class Drawing:
    """A character as the model takes it: uint8 [H, W] or [H, W, C], all zero if there is none.

    `doubt` says why the image may not show what the picture does; empty if nothing speaks against it.
    """

    image: npt.NDArray[np.uint8]
    doubt: str = ""

    @property
    def is_blank(self) -> bool:
        """Whether nothing is drawn there."""
        return bool(self.image.max() == self.image.min())


def read_drawing(path: Path, spec: ModelSpec) -> Drawing:
    """The character in a picture file, for a model of `spec`; colours are left as they are where the model takes them.

    Raises InvalidConfigError, naming the file.
    """
    try:
        with without_warnings():
            picture = open_picture(read_picture_file(path), str(path), "RGB" if spec.channels < 4 else "RGBA")
        if spec.channels == 1:
            return find_character(picture, spec.height, spec.width)
        return Drawing(fitted(picture, spec.height, spec.width))
    except DatasetInvalidError as error:
        raise InvalidConfigError(error.message) from error


def find_character(picture: Image.Image, height: int, width: int) -> Drawing:
    """The one character in a picture, as an image [height, width]. Ink may be darker or brighter than the paper."""
    pixels = _reduced(picture)
    ink, noise = _ink(pixels)
    strength = _strength(ink, noise)
    strokes = _strokes(ink > _INK * strength) if strength else np.zeros(ink.shape, np.bool_)
    if not strokes.any():
        return Drawing(np.zeros((height, width), np.uint8))
    near = _grown(strokes)
    faintest = min(2 * noise, _INK * strength)
    shades = np.where(near, (ink - faintest) / (strength - faintest), 0).clip(0, 1)
    rows, columns = np.flatnonzero(strokes.any(1)), np.flatnonzero(strokes.any(0))
    crop = shades[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return Drawing(centred(crop, height, width), _doubt(strokes, strength, noise))


def centred(ink: _Floats, height: int, width: int) -> npt.NDArray[np.uint8]:
    """MNIST's own preparation of a tight crop [h, w] of ink from 0 to 1."""
    scale = min(height, width) * _BOX / max(ink.shape)
    size = (max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale)))
    small = np.asarray(Image.fromarray((ink * 255).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS))
    mass = small.astype(np.float64)
    down = float((mass.sum(1) * np.arange(size[1])).sum() / mass.sum())
    across = float((mass.sum(0) * np.arange(size[0])).sum() / mass.sum())
    top = min(max(0, round(height / 2 - 0.5 - down)), height - size[1])
    left = min(max(0, round(width / 2 - 0.5 - across)), width - size[0])
    canvas = np.zeros((height, width), np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = small
    return canvas


def _reduced(picture: Image.Image) -> _Floats:
    """Pixels [h, w, 3] of the picture at working size, slightly blurred unless it is small."""
    scale = _SIDE / max(picture.size)
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling.BOX)
    if max(picture.size) >= _BLUR_FROM:
        picture = picture.filter(ImageFilter.GaussianBlur(1))
    return np.asarray(picture, np.float32)


def _ink(pixels: _Floats) -> tuple[_Floats, float]:
    """How much each pixel [h, w] differs from the paper in the direction of the ink's colour, and the paper's noise."""
    paper, is_paper = _paper(pixels)
    difference = pixels - paper
    strength = np.linalg.norm(difference, axis=2)
    strongest = np.partition(strength.ravel(), -_few(strength))[-_few(strength) :].mean()
    direction = difference[strength >= 0.7 * strongest].sum(0)
    length = float(np.linalg.norm(direction))
    if not length:
        return np.zeros(strength.shape, np.float32), 0.0
    ink = difference @ (direction / length)
    noise = 1.4826 * float(np.median(np.abs(ink[is_paper]))) if is_paper.any() else 0.0
    return ink, noise


def _few(values: _Floats) -> int:
    """A thousandth of the pixels: fewer than any character has."""
    return max(4, values.size // 1000)


def _paper(pixels: _Floats) -> tuple[_Floats, _Mask]:
    """The paper's colour at each pixel, and which pixels are paper.

    A polynomial of second degree in the position, fitted first to the border and then to all that agrees with it.
    """
    height, width = pixels.shape[:2]
    down, across = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = [np.ones_like(down), down, across, down * across, down**2, across**2]
    terms = terms if max(height, width) >= _BLUR_FROM else terms[:3]
    basis = np.stack([term.ravel() for term in terms], 1)
    values = pixels.reshape(-1, 3).astype(np.float64)
    ring = max(1, round(_RING * min(height, width)))
    chosen = np.ones((height, width), np.bool_)
    chosen[ring:-ring, ring:-ring] = False
    step = max(1, int(np.sqrt(height * width / 5_000)))  # so many samples are enough
    sampled = np.zeros((height, width), np.bool_)
    sampled[::step, ::step] = True
    surface = _fit(basis, values, (chosen & sampled).ravel())
    for _ in range(3):
        distance = np.linalg.norm(values - surface, axis=1)
        limit = max(3.0, 3 * 1.4826 * float(np.median(distance[chosen.ravel()])))
        is_paper = distance < limit
        surface = _fit(basis, values, is_paper & sampled.ravel())
    return surface.reshape(pixels.shape).astype(np.float32), is_paper.reshape(height, width)


def _fit(basis: npt.NDArray[np.float64], values: npt.NDArray[np.float64], chosen: _Mask) -> npt.NDArray[np.float64]:
    """The surface of least absolute deviations through the chosen values [N, 3], at all of them.

    It goes through most of them, whatever the others are. (Least squares, weighted anew by what they left.)
    """
    x, y = basis[chosen], values[chosen]
    if len(x) < basis.shape[1]:
        return np.broadcast_to(np.median(values, axis=0), values.shape)
    weights = np.ones(len(x))
    for _ in range(10):
        weighted = x.T * weights
        factors = np.linalg.lstsq(weighted @ x, weighted @ y, rcond=None)[0]
        weights = 1 / np.maximum(np.linalg.norm(y - x @ factors, axis=1), 0.5)
    return basis @ factors


def _strength(ink: _Floats, noise: float) -> float:
    """How far the strokes stand out; 0 if nothing does."""
    strongest = float(np.partition(ink.ravel(), -_few(ink))[-_few(ink) :].mean())
    if strongest < max(_FAINTEST, 7 * noise):
        return 0.0
    return float(np.percentile(ink[ink > _INK * strongest], 75))


def _strokes(mask: _Mask) -> _Mask:
    """The mask without specks."""
    labels, areas = _components(mask)
    kept = np.flatnonzero(areas >= max(4, _SPECK * areas.max(initial=0)))
    return np.isin(labels, kept + 1)


def _components(mask: _Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Numbers from 1 of the connected parts (also across corners) of a mask, 0 elsewhere; and each part's area."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    parent = list(range(len(rows)))

    def root(run: int) -> int:
        while parent[run] != run:
            parent[run] = parent[parent[run]]
            run = parent[run]
        return run

    first_of_row = np.searchsorted(rows, np.arange(mask.shape[0] + 1)).tolist()
    begins, stops = starts.tolist(), ends.tolist()
    for row in range(1, mask.shape[0]):
        above, end_above = first_of_row[row - 1], first_of_row[row]
        below, end_below = first_of_row[row], first_of_row[row + 1]
        while above < end_above and below < end_below:
            if begins[above] <= stops[below] and begins[below] <= stops[above]:
                parent[root(above)] = root(below)
            if stops[above] < stops[below]:
                above += 1
            else:
                below += 1
    roots, numbers = np.unique([root(run) for run in range(len(rows))], return_inverse=True)
    labels = np.zeros(mask.shape, np.int64)
    labels[mask] = np.repeat(numbers + 1, ends - starts)
    return labels, np.bincount(labels.ravel(), minlength=len(roots) + 1)[1:]


def _grown(mask: _Mask) -> _Mask:
    """The mask and what lies beside it: the faint rims of its strokes."""
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(5))) > 0


def _doubt(strokes: _Mask, strength: float, noise: float) -> str:
    edge = strokes[0].any() or strokes[-1].any() or strokes[:, 0].any() or strokes[:, -1].any()
    if strokes.mean() > _FULL:
        return "ink fills the picture"
    if edge:
        return "ink touches the border: is it one character on paper, with room around it?"
    if strength < 10 * noise:
        return "the ink hardly stands out from the paper"
    return ""
