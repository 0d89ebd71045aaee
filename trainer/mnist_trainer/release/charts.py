"""Line charts as SVG text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 460, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 36
_TICKS = 4


@dataclass(frozen=True)
class Line:
    """One line: a label, a CSS colour, and a value for each position on the x-axis."""

    label: str
    colour: str
    values: Sequence[float]


def line_chart(lines: Sequence[Line], x: Sequence[int], title: str, unit: str = "") -> str:
    """An SVG with axes and a legend. `title` is read out by screen readers; all text is the caller's own."""
    values = [value for line in lines for value in line.values]
    low, high = _bounds(values)
    first, last = x[0], max(x[-1], x[0] + 1)

    def point(position: float, value: float) -> tuple[float, float]:
        across = (position - first) / (last - first)
        up = (value - low) / (high - low)
        return _LEFT + across * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{title}"><g class="axis">']
    for tick in range(_TICKS + 1):
        value = low + (high - low) * tick / _TICKS
        _, y = point(first, value)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}{unit}</text>')
    for position in _positions(x):
        at, _ = point(position, low)
        parts.append(f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{position}</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 4}" text-anchor="middle">epoch</text></g>')
    for line in lines:
        points = [point(position, value) for position, value in zip(x, line.values, strict=True)]
        path = " ".join(f"{at:.1f},{y:.1f}" for at, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{at:.1f}" cy="{y:.1f}" r="2.5" fill="{line.colour}"/>' for at, y in points[:200]]
    parts.append("</svg>")
    legend = "".join(f'<span><i style="background:{line.colour}"></i>{line.label}</span>' for line in lines)
    return "".join(parts) + f'<p class="legend">{legend}</p>'


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or max(abs(high), 1e-3) * 0.05
    return low - margin, high + margin


def _positions(x: Sequence[int]) -> list[int]:
    stride = max(1, -(-len(x) // 10))
    return list(x[::stride])


def _number(value: float) -> str:
    return f"{value:.4g}"
