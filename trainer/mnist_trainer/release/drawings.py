"""What a report shows: line charts as SVG text (colours are the page's), and images of the dataset as small PNGs."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt
from PIL import Image

_Pixels = npt.NDArray[np.uint8]

_WIDTH, _HEIGHT = 460, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 14, 12, 38
_TICKS = 5
_MOST_DOTS = 60
_WIDE = 1e6  # steps from which ticks are written with an exponent, to have room


@dataclass(frozen=True)
class Line:
    """One line: its label, and a finite value or None for each position on the x-axis."""

    label: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Chart:
    """Lines over epochs. `mark` is a value worth a dashed line across, with its label.

    `events` are places on the x-axis worth a line from top to bottom, each with a text that a pointer brings up.
    """

    title: str
    lines: Sequence[Line]
    unit: str = ""
    mark: tuple[float, str] | None = None
    from_zero: bool = False
    events: Sequence[tuple[float, str]] = ()


class _Scale:
    """From epochs and values to the drawing's units."""

    def __init__(self, x: Sequence[int], low: float, high: float) -> None:
        self._first, self._last = x[0], max(x[-1], x[0] + 1)
        self._low, self._high = low, high

    def across(self, position: float) -> float:
        return _LEFT + (position - self._first) / (self._last - self._first) * (_WIDTH - _LEFT - _RIGHT)

    def down(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self._low) / (self._high - self._low) * (_HEIGHT - _TOP - _BOTTOM)


def draw(chart: Chart, x: Sequence[int]) -> str:
    """An SVG with axes, and a legend below it if there are several lines."""
    values = [value for line in chart.lines for value in line.values if value is not None]
    values += [chart.mark[0]] if chart.mark else []
    values += [0.0] if chart.from_zero or not values else []
    ticks = nice_ticks(min(values), max(values))
    scale = _Scale(x, ticks[0], ticks[-1])
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title)} by epoch">',
        *_axes(scale, ticks, x, chart.unit),
        *(_mark(scale, *chart.mark) if chart.mark else []),
        *(_event(scale, position, text) for position, text in chart.events),
    ]
    for number, line in enumerate(chart.lines, 1):
        parts += _series(scale, number, line, x, chart.unit)
    return "".join([*parts, "</svg>", _legend(chart.lines)])


def nice_ticks(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Evenly spaced round numbers (1, 2 or 5 times a power of ten apart) that enclose `low` and `high`."""
    magnitude = max(abs(low), abs(high), 1e-3)
    span = high - low
    if span < 1e-9 * magnitude:  # a flat line, but for rounding
        span = 0.1 * magnitude
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if span / (factor * power) <= most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def number_text(value: float, step: float) -> str:
    """A tick's label, with the digits that its neighbours a `step` away need."""
    if step >= _WIDE:
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{digits}f}"


def _axes(scale: _Scale, ticks: list[float], x: Sequence[int], unit: str) -> list[str]:
    parts = ['<g class="axis">']
    for value in ticks:
        y, label = scale.down(value), number_text(value, ticks[1] - ticks[0])
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}{unit}</text>')
    below = _HEIGHT - _BOTTOM + 16
    parts += [
        f'<text x="{scale.across(position):.1f}" y="{below}" text-anchor="middle">{position}</text>'
        for position in x[:: max(1, -(-len(x) // 10))]
    ]
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">epoch</text></g>')
    return parts


def _mark(scale: _Scale, value: float, label: str) -> list[str]:
    y = scale.down(value)
    label_y = y + 14 if y < _TOP + 16 else y - 4
    return [
        f'<line class="mark" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>',
        f'<text class="mark" x="{_LEFT + 4}" y="{label_y:.1f}">{escape(label)}</text>',
    ]


def _event(scale: _Scale, position: float, text: str) -> str:
    x = min(max(scale.across(position), _LEFT), _WIDTH - _RIGHT)
    return (
        f'<line class="event" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}">'
        f"<title>{escape(text)}</title></line>"
    )


def _series(scale: _Scale, number: int, line: Line, x: Sequence[int], unit: str) -> list[str]:
    points = [
        (position, value, scale.across(position), scale.down(value))
        for position, value in zip(x, line.values, strict=True)
        if value is not None
    ]
    path = " ".join(f"{across:.1f},{down:.1f}" for _, _, across, down in points)
    parts = [f'<g class="series-{number}"><polyline points="{path}"/>']
    for position, value, across, down in points if len(points) <= _MOST_DOTS else points[-1:]:
        shown = f"epoch {position}: {escape(line.label)} {value:.5g}{unit}"
        parts.append(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="3"><title>{shown}</title></circle>')
    return [*parts, "</g>"]


def _legend(lines: Sequence[Line]) -> str:
    if len(lines) < 2:
        return ""
    items = (f'<span><i class="series-{n}"></i>{escape(line.label)}</span>' for n, line in enumerate(lines, 1))
    return f'<p class="legend">{"".join(items)}</p>'


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
