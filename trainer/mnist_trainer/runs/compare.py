"""Runs side by side: what was measured, and where their configurations differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_FIGURES = ("accuracy", "testLoss", "trainSeconds", "imagesPerSecond")
_SETTINGS = ("model", "config", "recipe", "dataset", "versions", "device", "lineage")
_TRIVIAL = {"config.output"}


def comparison(metrics: Sequence[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Rows of a field and its value in each run (None where a run has none): all figures, then settings that differ."""
    flat = [_flat({name: content.get(name) for name in _SETTINGS}) for content in metrics]
    rows: list[tuple[str, list[Any]]] = [
        ("epochs", [len(content.get("epochs", [])) for content in metrics]),
        *((name, [content.get(name) for content in metrics]) for name in _FIGURES),
    ]
    for field in dict.fromkeys(field for settings in flat for field in settings):
        values = [settings.get(field) for settings in flat]
        if field not in _TRIVIAL and any(value != values[0] for value in values):
            rows.append((field, values))
    return rows


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            result |= _flat(value, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = value
    return result
