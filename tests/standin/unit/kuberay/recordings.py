"""What a real KubeRay 1.7 wrote: watch events of one cluster's life and of eight jobs, and the objects it made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "recorded"


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


def cluster_events() -> list[dict[str, Any]]:
    """The RayCluster's events but its deletion, in order."""
    return [event for event in _lines("rayclusters.watch.jsonl") if event["type"] != "DELETED"]


def job_events() -> dict[str, list[dict[str, Any]]]:
    """Events of each RayJob but its deletion, by name, in order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in _lines("rayjobs.watch.jsonl"):
        if event["type"] != "DELETED" and not event["metadata"].get("deletionTimestamp"):
            found.setdefault(event["metadata"]["name"], []).append(event)
    return found


def objects() -> dict[str, Any]:
    """RayCluster, head and worker pod, head Service, RayJob and submitter Job, as they stood in a real API server."""
    value: dict[str, Any] = json.loads((FOLDER / "objects.json").read_text())
    return value
