"""The history of a training's figures: from its status as it changes, and from metrics.json once it has ended.

A status says only where the training stands now. Whoever watches it has the curve, from then on. So a portal remembers
what its feed has seen, bounded: of a curve that gets too long every second point goes, the newest stay.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mnist_kube.objects import Object
from mnist_kube.times import parse_time

MOST_POINTS = 400
MOST_CURVES = 2000
_EPOCH_LINE = re.compile(
    r"\] epoch (?P<epoch>\d+)/\d+\s+accuracy (?P<accuracy>[\d.]+) %\s+loss (?P<loss>[\d.]+)\s+"
    r"test loss (?P<test>[\d.]+)\s+(?P<speed>[\d,.]+) images/s"
)
"""What the trainer's console says of each epoch."""
_FIGURES = {"loss": "loss", "accuracy": "accuracy", "imagesPerSecond": "images/s"}


@dataclass(frozen=True, slots=True)
class Point:
    """Figures at one moment. `epoch` counts finished epochs and the share of the running one, `time` is Unix time."""

    epoch: float
    time: float
    figures: Mapping[str, float]


class Curves:
    """Histories by the uid of a training, at most so many; those that changed longest ago go first."""

    def __init__(self, most: int = MOST_CURVES, points: int = MOST_POINTS) -> None:
        self._most, self._points = most, points
        self._by_uid: OrderedDict[str, list[Point]] = OrderedDict()

    def observe(self, training: Object, deleted: bool = False) -> None:
        """Take in a state of a training."""
        uid = str(training["metadata"]["uid"])
        if deleted:
            self._by_uid.pop(uid, None)
            return
        point = point_of((training.get("status") or {}).get("training") or {})
        if point is None:
            return
        known = self._by_uid.setdefault(uid, [])
        self._by_uid.move_to_end(uid)
        while len(self._by_uid) > self._most:
            self._by_uid.popitem(last=False)
        # An attempt that starts over from a checkpoint trains epochs again: what it says now holds.
        while known and known[-1].epoch > point.epoch:
            known.pop()
        if known and known[-1].epoch == point.epoch:
            known.pop()
        known.append(point)
        if len(known) > self._points:
            del known[1:-1:2]

    def of(self, uid: str) -> list[Point]:
        """Return what is known, by epoch."""
        return list(self._by_uid.get(uid, ()))


def point_of(report: Mapping[str, Any]) -> Point | None:
    """Return the figures of `status.training`; None before there are any."""
    epochs, share = report.get("epochs"), report.get("progressPercent")
    epoch = share / 100 * epochs if epochs and share is not None else report.get("epoch")
    figures = {name: report[key] for key, name in _FIGURES.items() if _is_number(report.get(key))}
    figures |= {str(name): value for name, value in (report.get("metrics") or {}).items() if _is_number(value)}
    moment = parse_time(report.get("updatedAt"))
    if epoch is None or not figures or moment is None:
        return None
    return Point(round(float(epoch), 3), moment.timestamp(), figures)


def of_metrics(metrics: Mapping[str, Any]) -> list[Point]:
    """Return the curve of a release's ``metrics.json``: one point for each epoch."""
    names = {"train_loss": "loss", "test_loss": "test loss", "accuracy": "accuracy", "images_per_second": "images/s"}
    points = []
    for record in metrics.get("epochs") or []:
        if not isinstance(record, dict) or not _is_number(record.get("epoch")):
            continue
        figures = {shown: record[name] for name, shown in names.items() if _is_number(record.get(name))}
        own = record.get("metrics")
        figures |= {str(k): v for k, v in (own if isinstance(own, dict) else {}).items() if _is_number(v)}
        points.append(Point(float(record["epoch"]), float(record.get("finished_at") or 0), figures))
    return points


def of_log(text: str) -> list[Point]:
    """Return the curve that a trainer's log tells, a point for each finished epoch; of one trained again the last."""
    points: dict[int, Point] = {}
    for match in _EPOCH_LINE.finditer(text):
        numbers = {name: float(match[name].replace(",", "")) for name in ("accuracy", "loss", "test", "speed")}
        figures = {
            "loss": numbers["loss"],
            "accuracy": round(numbers["accuracy"] / 100, 6),
            "images/s": numbers["speed"],
            "test loss": numbers["test"],
        }
        points[int(match["epoch"])] = Point(float(match["epoch"]), 0.0, figures)
    return [points[epoch] for epoch in sorted(points)]


def joined(earlier: Sequence[Point], seen: Sequence[Point]) -> list[Point]:
    """Return the points of a log, and after them those that were seen later."""
    end = earlier[-1].epoch if earlier else -1.0
    return [*earlier, *(point for point in seen if point.epoch > end)]


def series(points: Sequence[Point]) -> dict[str, list[list[float | None]]]:
    """Return for each figure its xs (epochs) and ys, as the plot takes them; a figure that stays away is left out."""
    names = dict.fromkeys(name for point in points for name in point.figures)
    result: dict[str, list[list[float | None]]] = {}
    for name in names:
        pairs = [(point.epoch, point.figures[name]) for point in points if name in point.figures]
        if name in {"accuracy", "test loss"}:  # measured at an epoch's end; between two it is only repeated
            pairs = [pair for i, pair in enumerate(pairs) if i == 0 or pair[1] != pairs[i - 1][1]]
        result[name] = [[x for x, _ in pairs], [y for _, y in pairs]]
    return result


def spark(points: Sequence[Point], name: str = "loss", width: int = 96, height: int = 24) -> str:
    """Return a small curve as the points of an SVG polyline; empty for fewer than two."""
    values = [point.figures[name] for point in points if name in point.figures]
    if len(values) < 2:
        return ""
    low, span = min(values), max(values) - min(values)
    step = (width - 2) / (len(values) - 1)
    shares = [(value - low) / span if span else 0.5 for value in values]
    return " ".join(f"{1 + i * step:.1f},{height - 2 - share * (height - 4):.1f}" for i, share in enumerate(shares))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
