"""The examples that come with the project: a file each, with what it shows in its first comment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_PLACES = (Path(__file__).parents[2] / "examples", Path(__file__).parent / "examples")


@dataclass(frozen=True)
class Example:
    """A manifest to begin with."""

    name: str
    text: str
    body: dict[str, Any]


@cache
def examples() -> dict[str, Example]:
    """Return the examples by name: of a checkout, or of the wheel."""
    folder = next((place for place in _PLACES if place.is_dir()), None)
    found = {}
    for path in sorted(folder.glob("*.yaml")) if folder else ():
        text = path.read_text()
        documents = list(yaml.safe_load_all(text))
        if len(documents) == 1 and (documents[0] or {}).get("kind") == "MnistTraining":
            comment = " ".join(line.lstrip("# ") for line in text.splitlines() if line.startswith("#"))
            found[path.stem] = Example(path.stem, comment, documents[0])
    return found


def shared_cluster() -> str:
    """Return the example of a shared RayCluster as text; empty where the examples were left out."""
    paths = [place / "workloads" / "raycluster.yaml" for place in _PLACES]
    path = next((path for path in paths if path.is_file()), None)
    return path.read_text() if path else ""
