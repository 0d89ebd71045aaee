"""From a listing of objects to the runs that they belong to. Pure: no store is asked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from mnist_trainer.naming import (
    EVENTS_FILE,
    METRICS_FILE,
    MODEL_FILE,
    ONNX_FILE,
    RELEASE_MANIFEST,
    REPORT_FILE,
    checkpoint_epoch,
)
from mnist_trainer.store import ObjectInfo, S3Address

RELEASED = (MODEL_FILE, ONNX_FILE, METRICS_FILE, EVENTS_FILE, REPORT_FILE)
_ATTEMPT = re.compile(r"(?:^|/)attempt-\d+/[^/]+/")


@dataclass
class FoundRun:
    """The objects of one run, as far as they are ours: what else lies there is not counted and never deleted."""

    address: S3Address
    manifest: ObjectInfo | None = None
    released: list[ObjectInfo] = field(default_factory=list)
    attempts: list[ObjectInfo] = field(default_factory=list)

    @property
    def sealed(self) -> bool:
        """Whether there is a MANIFEST.json: without it a release does not exist."""
        return self.manifest is not None

    @property
    def objects(self) -> list[ObjectInfo]:
        """All of them, the manifest first."""
        return [*([self.manifest] if self.manifest else []), *self.released, *self.attempts]

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
        attempt = _ATTEMPT.search(key)
        if attempt:
            # The first one counts: an attempt holds a copy of the release, but no runs.
            at(key[: attempt.start()]).attempts.append(item)
        elif key.rpartition("/")[2] == RELEASE_MANIFEST:
            at(key.rpartition("/")[0]).manifest = item
    for item, key in listed:
        run = _run_of_released(key)
        if run in runs:
            runs[run].released.append(item)
    return [runs[key] for key in sorted(runs)]


def _below(address: S3Address, root: S3Address) -> str:
    return address.key.removeprefix(f"{root.key}/") if root.key else address.key


def _run_of_released(key: str) -> str | None:
    """The run that a released file belongs to, by its name."""
    if _ATTEMPT.search(key):
        return None
    name = next((name for name in RELEASED if f"/{key}".endswith(f"/{name}")), None)
    return None if name is None else key.removesuffix(name).removesuffix("/")
