"""The files of a dataset: the four in IDX form, by role and name, and ``classes.json``, which names the classes.

The classes' names go with the dataset into the model's header, ``metrics.json``, the report and the answers of
`predict`. They are no part of the dataset's digest: renaming a class trains nothing anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mnist_trainer.errors import DatasetInvalidError, DatasetNotFoundError

CLASSES_FILE = "classes.json"
MAX_CLASSES_BYTES = 1 << 20
_MAX_NAME = 200  # characters


class Role(StrEnum):
    """Which of the four files it is; the value is its canonical name."""

    TRAIN_IMAGES = "train-images-idx3-ubyte"
    TRAIN_LABELS = "train-labels-idx1-ubyte"
    TEST_IMAGES = "t10k-images-idx3-ubyte"
    TEST_LABELS = "t10k-labels-idx1-ubyte"

    @property
    def is_images(self) -> bool:
        return self in (Role.TRAIN_IMAGES, Role.TEST_IMAGES)


# The usual names: MNIST's own, the dotted ones of old unpackers, EMNIST's with a prefix ("emnist-letters-test-...").
_NAME = re.compile(
    r"(?:(?P<prefix>[A-Za-z0-9_.-]+?)-)?(?P<split>train|t10k|test)-(?P<kind>images|labels)"
    r"[-.]idx[1-4]-ubyte(?P<gz>\.gz)?"
)
_CONVERTIBLE = (".zip", ".png", ".jpg", ".jpeg", ".csv", ".npz", ".parquet")
_ROLES = {
    ("train", "images"): Role.TRAIN_IMAGES,
    ("train", "labels"): Role.TRAIN_LABELS,
    ("test", "images"): Role.TEST_IMAGES,
    ("test", "labels"): Role.TEST_LABELS,
}


@dataclass(frozen=True)
class _Match:
    role: Role
    prefix: str
    gzipped: bool
    name: str


def match_role(name: str) -> Role | None:
    """The role that a file's name tells, if any."""
    found = _match(name)
    return found.role if found else None


def is_sideways(name: str) -> bool:
    """Whether the file's images lie on their side, as EMNIST's own files do (rows and columns exchanged)."""
    found = _match(name)
    return found is not None and found.role.is_images and found.prefix.lower().startswith("emnist")


def find_files(names: Iterable[str], where: str, below: Callable[[], Iterable[str]] = tuple) -> dict[Role, str]:
    """Choose the dataset's four files among `names` (plain before gzipped).

    `below` gives paths in folders below, which tell where the dataset may be instead. Raises DatasetNotFoundError where
    a file is missing and DatasetInvalidError where several datasets lie together; messages begin with `where`.
    """
    names = list(names)
    matches = [match for name in names if (match := _match(name))]
    prefixes = sorted({match.prefix for match in matches})
    if len(prefixes) > 1:
        shown = ", ".join(prefix or "(no prefix)" for prefix in prefixes)
        raise DatasetInvalidError(f"{where}: several datasets lie together ({shown}): give each its own folder")
    chosen: dict[Role, str] = {}
    for match in sorted(matches, key=lambda match: (match.gzipped, match.name)):
        chosen.setdefault(match.role, match.name)
    missing = [role for role in Role if role not in chosen]
    if missing:
        folders = [] if chosen else _complete_folders(below())
        if folders:
            raise DatasetNotFoundError(f"{where}: {_folders_text(where, folders)}")
        raise DatasetNotFoundError(f"{where}: {_missing_text(missing, names, bool(chosen))}")
    return {role: chosen[role] for role in Role}


def find_twins(names: Iterable[str], chosen: Mapping[Role, str]) -> dict[Role, list[str]]:
    """Other files that go by the names of the chosen ones, such as the .gz of a plain file."""
    twins: dict[Role, list[str]] = {}
    for name in sorted(names):
        role = match_role(name)
        if role and chosen.get(role, name) != name:
            twins.setdefault(role, []).append(name)
    return twins


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


def _match(name: str) -> _Match | None:
    found = _NAME.fullmatch(name)
    if not found:
        return None
    split = "train" if found["split"] == "train" else "test"
    return _Match(_ROLES[split, found["kind"]], found["prefix"] or "", bool(found["gz"]), name)


def _complete_folders(paths: Iterable[str]) -> list[str]:
    roles: dict[str, set[Role]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if role := match_role(name):
            roles.setdefault(folder, set()).add(role)
    return sorted(folder for folder, found in roles.items() if len(found) == len(Role))


def _folders_text(where: str, folders: list[str]) -> str:
    there = [f"{where.rstrip('/')}/{folder}" for folder in folders]
    if len(there) == 1:
        return f"no dataset there, but in a folder below: give {there[0]}"
    return f"no dataset there, but {len(there)} in folders below: give one of {', '.join(there[:5])}"


def _missing_text(missing: list[Role], names: list[str], some: bool) -> str:
    if some:
        return f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing (plain or .gz)"
    there = f"; there is {', '.join(sorted(names)[:5])}{' ...' if len(names) > 5 else ''}" if names else ""
    convertible = any(name.lower().endswith(_CONVERTIBLE) for name in names)
    hint = "; `mnistctl data convert` makes a dataset of them" if convertible else ""
    return f"no dataset there: expected {', '.join(missing)}, plain or .gz{there}{hint}"


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
