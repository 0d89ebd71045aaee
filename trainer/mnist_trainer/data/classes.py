"""``classes.json`` beside a dataset: what its classes are called. `data convert` writes it; everything else reads it.

The names go with the dataset into the model's header, ``metrics.json``, the report and the answers of `predict`. They
are no part of the dataset's digest: renaming a class trains nothing anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from mnist_trainer.errors import DatasetInvalidError

CLASSES_FILE = "classes.json"
MAX_CLASSES_BYTES = 1 << 20
_MAX_NAME = 200  # characters


def encode_class_names(names: Mapping[int, str], images: Mapping[int, int] | None = None) -> bytes:
    """The file, for names, and numbers of images where they are known, by label."""
    counts = images or {}
    entries = [
        {"label": label, "name": names[label], **({"images": counts[label]} if label in counts else {})}
        for label in sorted(names)
    ]
    return (json.dumps(entries, indent=2) + "\n").encode()


def read_class_names(data: bytes, name: str, classes: int) -> tuple[str, ...]:
    """The name of each label below `classes`; a label without one is called by its number.

    Takes the list that `data convert` writes, a list of names, or an object of names by label. Raises
    DatasetInvalidError, whose message begins with `name`.
    """
    try:
        names = _by_label(json.loads(data))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DatasetInvalidError(
            f'{name}: does not name classes: expected [{{"label": 0, "name": "zero"}}, ...] or ["zero", ...]'
        ) from None
    if unknown := sorted(label for label in names if not 0 <= label < classes):
        raise DatasetInvalidError(f"{name}: names label {unknown[0]}, but the training labels end at {classes - 1}")
    return tuple(names.get(label, str(label)) for label in range(classes))


def shown_class(label: int, name: str | None) -> str:
    """A class for people: its number, and its name where that says more."""
    return f"{label} ({name})" if name not in (None, "", str(label)) else str(label)


def _by_label(content: object) -> dict[int, str]:
    if isinstance(content, dict):
        return {int(label): _name(name) for label, name in content.items()}
    if not isinstance(content, list):
        raise TypeError
    return {
        int(entry["label"]) if isinstance(entry, dict) else label: _name(
            entry["name"] if isinstance(entry, dict) else entry
        )
        for label, entry in enumerate(content)
    }


def _name(value: object) -> str:
    name = " ".join(str(value).split()) if isinstance(value, str | int) else ""
    if not 1 <= len(name) <= _MAX_NAME:
        raise ValueError
    return name
