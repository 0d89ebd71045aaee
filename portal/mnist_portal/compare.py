"""Trainings beside each other: figures, settings that differ, classes. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mnist_kube.objects import Object
from mnist_portal.manifest import differences, effective
from mnist_portal.rows import Row, row_of

MOST = 12
_TRIVIAL = ("runPolicy.suspend",)


@dataclass(frozen=True)
class Side:
    """One of the trainings that are compared."""

    row: Row
    spec: Mapping[str, Any]
    metrics: Mapping[str, Any]
    problem: str

    @classmethod
    def of(cls, training: Object, metrics: Mapping[str, Any], problem: str) -> Side:
        """Take a training, and the figures of its release if they could be read."""
        return cls(row_of(training), effective(training)["spec"], metrics, problem)

    @property
    def label(self) -> str:
        """Its name in legends."""
        return f"{self.row.namespace}/{self.row.name}"


def settings(sides: Sequence[Side]) -> list[tuple[str, list[Any]]]:
    """Return what differs between the specs: a path, and the value in each."""
    return [row for row in differences([side.spec for side in sides]) if row[0] not in _TRIVIAL]


def classes(sides: Sequence[Side]) -> list[tuple[str, list[float | None], float]]:
    """Return for each class its recall in each training, and how far apart the best and the worst are."""
    tables = [{row["class"]: row for row in side.metrics.get("perClass") or []} for side in sides]
    names: list[str] = next((n for side in sides if (n := (side.metrics.get("dataset") or {}).get("classNames"))), [])
    rows = []
    for number in sorted({number for table in tables for number in table}):
        recalls = [table[number].get("recall") if number in table else None for table in tables]
        known = [value for value in recalls if value is not None]
        name = names[number] if number < len(names) else str(number)
        rows.append((name, recalls, max(known) - min(known) if len(known) > 1 else 0.0))
    return rows
