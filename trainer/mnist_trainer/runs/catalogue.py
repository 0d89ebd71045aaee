"""Runs below an output prefix: found from a listing of objects, with what their manifests and metrics say.

A run is known by its manifest or by what its attempts left; a listing alone tells which objects are whose, and the
manifest whether the release is whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from mnist_trainer.errors import InvalidConfigError, ObjectNotFoundError, ObjectTooLargeError
from mnist_trainer.naming import (
    CHECKPOINTS_FOLDER,
    EVENTS_FILE,
    LOGS_FOLDER,
    METRICS_FILE,
    MODEL_FILE,
    ONNX_FILE,
    RELEASE_MANIFEST,
    REPORT_FILE,
    checkpoint_epoch,
)
from mnist_trainer.release.publish import ReleaseManifest
from mnist_trainer.store import ObjectInfo, ObjectStore, S3Address

RELEASED = (MODEL_FILE, ONNX_FILE, METRICS_FILE, EVENTS_FILE, REPORT_FILE)
_ATTEMPT = re.compile(r"(?:^|/)attempt-\d+/[^/]+/")
_LOG = re.compile(rf"(?:^|/){LOGS_FOLDER}/attempt-\d+/[^/]+\.log$")
_CHECKPOINTS = re.compile(rf"(?:^|/){CHECKPOINTS_FOLDER}/")
_MANIFEST_BYTES = 1 << 20
_METRICS_BYTES = 256 << 20
_READERS = 8
_FIGURES = ("accuracy", "testLoss", "trainSeconds", "imagesPerSecond")
_SETTINGS = ("model", "config", "recipe", "dataset", "versions", "device", "lineage")
_TRIVIAL = {"config.output"}


@dataclass
class FoundRun:
    """The objects of one run, as far as they are ours: what else lies there is not counted and never deleted."""

    address: S3Address
    manifest: ObjectInfo | None = None
    released: list[ObjectInfo] = field(default_factory=list)
    attempts: list[ObjectInfo] = field(default_factory=list)
    """What attempts left: their copies of the release, and checkpoints."""
    logs: list[ObjectInfo] = field(default_factory=list)

    @property
    def sealed(self) -> bool:
        """Whether there is a MANIFEST.json: without it a release does not exist."""
        return self.manifest is not None

    @property
    def objects(self) -> list[ObjectInfo]:
        """All of them, the manifest first."""
        return [*([self.manifest] if self.manifest else []), *self.released, *self.attempts, *self.logs]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(item.size for item in self.objects)

    @property
    def modified(self) -> datetime | None:
        """When something was last written, if the store says."""
        return max((item.modified for item in self.objects if item.modified), default=None)

    @property
    def checkpoint(self) -> int | None:
        """Epochs of the newest checkpoint."""
        epochs = [checkpoint_epoch(self.address, item.address) for item in self.attempts]
        return max((epoch for epoch in epochs if epoch is not None), default=None)


def discover(objects: Iterable[ObjectInfo], root: S3Address) -> list[FoundRun]:
    """The runs at or below `root`, in the order of their addresses."""
    listed = [(item, _below(item.address, root)) for item in objects]
    runs: dict[str, FoundRun] = {}

    def at(key: str) -> FoundRun:
        return runs.setdefault(key, FoundRun(root.child(key) if key else root))

    for item, key in listed:
        attempt, log = _ATTEMPT.search(key), _LOG.search(key)
        if attempt:
            # The first one counts: an attempt holds a copy of the release, but no runs.
            at(key[: attempt.start()]).attempts.append(item)
        elif log:
            at(key[: log.start()]).logs.append(item)
        elif key.rpartition("/")[2] == RELEASE_MANIFEST:
            at(key.rpartition("/")[0]).manifest = item
    for item, key in listed:
        run = _run_of_released(key)
        if run in runs:
            runs[run].released.append(item)
            continue
        found = None if _ATTEMPT.search(key) else _CHECKPOINTS.search(key)
        if found and key[: found.start()] in runs:  # a script's own
            runs[key[: found.start()]].attempts.append(item)
    return [runs[key] for key in sorted(runs)]


@dataclass(frozen=True)
class Run:
    """A run, and its manifest if it is sealed by one that can be read."""

    found: FoundRun
    manifest: ReleaseManifest | None

    @property
    def address(self) -> S3Address:
        """Where it lies."""
        return self.found.address

    @property
    def objects(self) -> list[ObjectInfo]:
        """All of them, the manifest first, with those that the manifest alone names: a script leaves what it likes."""
        found = self.found.objects
        known = {item.address for item in found}
        entries = self.manifest.files if self.manifest else []
        named = [ObjectInfo(self.address.child(entry.name), entry.size) for entry in entries]
        return [*found, *(item for item in named if item.address not in known)]

    @property
    def state(self) -> str:
        """`Sealed`, `Unsealed` (it trains, waits, failed or was interrupted), or `Damaged`."""
        if not self.found.sealed:
            return "Unsealed"
        if self.manifest is None:
            return "Damaged"
        sizes = {item.address: item.size for item in self.found.released}
        known = [entry for entry in self.manifest.files if entry.name in RELEASED]  # a later version may release more
        whole = all(sizes.get(self.address.child(entry.name)) == entry.size for entry in known)
        return "Sealed" if whole else "Damaged"


def list_runs(store: ObjectStore, root: S3Address) -> list[Run]:
    """Every run at or below `root`. Raises what the store raises."""
    found = discover(store.list(root), root)
    with ThreadPoolExecutor(_READERS, thread_name_prefix="manifests") as pool:
        manifests = list(pool.map(lambda run: _read_manifest(store, run), found))
    return [Run(run, manifest) for run, manifest in zip(found, manifests, strict=True)]


def one_run(store: ObjectStore, address: S3Address) -> Run:
    """The run at `address`, or the only one below it. Raises InvalidConfigError if there is none, or are several."""
    runs = list_runs(store, address)
    here = [run for run in runs if run.address == address]
    if here:
        return here[0]
    if len(runs) == 1:
        return runs[0]
    if not runs:
        raise InvalidConfigError(f"there is no run at {address}")
    shown = ", ".join(str(run.address) for run in runs[:3])
    raise InvalidConfigError(f"{address} holds {len(runs)} runs, name one of them: {shown}{' ...' * (len(runs) > 3)}")


def read_metrics(store: ObjectStore, run: Run) -> dict[str, Any]:
    """The content of a sealed run's ``metrics.json``. Raises InvalidConfigError for a run without."""
    if run.manifest is None:
        raise InvalidConfigError(f"{run.address} is not sealed: it has no {RELEASE_MANIFEST} that can be read")
    address = run.address.child(METRICS_FILE)
    try:
        content = json.loads(store.get_bytes(address, _METRICS_BYTES))
    except ObjectNotFoundError as error:
        raise InvalidConfigError(f"{address} is missing") from error
    except ValueError as error:
        raise InvalidConfigError(f"{address} is not JSON") from error
    if not isinstance(content, dict):
        raise InvalidConfigError(f"{address} is not the metrics of a run")
    return content


def epochs_of(metrics: dict[str, Any]) -> list[Any]:
    """The records of a run's epochs; none where a script's own ``metrics.json`` has something else there."""
    epochs = metrics.get("epochs")
    return epochs if isinstance(epochs, list) else []


def comparison(metrics: Sequence[dict[str, Any]]) -> list[tuple[str, list[Any]]]:
    """Rows of a field and its value in each run (None where a run has none): all figures, then settings that differ."""
    flat = [_flat({name: content.get(name) for name in _SETTINGS}) for content in metrics]
    rows: list[tuple[str, list[Any]]] = [
        ("epochs", [len(epochs_of(content)) for content in metrics]),
        *((name, [content.get(name) for content in metrics]) for name in _FIGURES),
    ]
    for name in dict.fromkeys(name for settings in flat for name in settings):
        values = [settings.get(name) for settings in flat]
        if name not in _TRIVIAL and any(value != values[0] for value in values):
            rows.append((name, values))
    return rows


def _below(address: S3Address, root: S3Address) -> str:
    return address.key.removeprefix(f"{root.key}/") if root.key else address.key


def _run_of_released(key: str) -> str | None:
    """The run that a released file belongs to, by its name."""
    if _ATTEMPT.search(key):
        return None
    name = next((name for name in RELEASED if f"/{key}".endswith(f"/{name}")), None)
    return None if name is None else key.removesuffix(name).removesuffix("/")


def _read_manifest(store: ObjectStore, run: FoundRun) -> ReleaseManifest | None:
    if run.manifest is None:
        return None
    try:
        return ReleaseManifest.model_validate_json(store.get_bytes(run.manifest.address, _MANIFEST_BYTES))
    except (ValidationError, ObjectNotFoundError, ObjectTooLargeError):
        return None


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            result |= _flat(value, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = value
    return result
