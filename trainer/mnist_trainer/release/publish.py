"""A release in the object store: ``MANIFEST.json`` seals it, and nobody ever sees half of one.

The files go up below the attempt's own prefix and are copied to the output; the manifest comes last in both places, so
that a release without it does not exist.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from mnist_trainer.errors import InvalidConfigError, ObjectNotFoundError, StoreUnreachableError
from mnist_trainer.naming import METRICS_FILE, MODEL_FILE, RELEASE_MANIFEST, REPORT_FILE, RunPlace
from mnist_trainer.store import ObjectStore, S3Address

_MANIFEST_BYTES = 1 << 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReleaseFile:
    """One file of a release, in memory."""

    name: str
    data: bytes
    content_type: str


class ManifestFile(BaseModel):
    """A file as the manifest names it."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    name: str
    size: int
    sha256: str
    content_type: str


class ReleaseManifest(BaseModel):
    """Written last, so that a release without it does not exist."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)

    version: int = 1
    name: str
    lineage: str
    attempt: int
    run_id: str
    accuracy: float | None = None  # a script of the user's own need not tell
    epochs: int | None = None  # trained, which a reached target makes fewer than were asked for
    train_seconds: float
    created_at: datetime
    dataset: dict[str, Any]
    config: dict[str, Any]
    versions: dict[str, str]
    files: list[ManifestFile]

    def file(self, name: str) -> ManifestFile | None:
        """The entry of a file."""
        return next((entry for entry in self.files if entry.name == name), None)

    def encode(self) -> bytes:
        """The object's bytes."""
        return self.model_dump_json(by_alias=True, indent=2).encode()


def stage(store: ObjectStore, place: RunPlace, release: list[ReleaseFile], manifest: ReleaseManifest) -> None:
    """Upload to this process's own prefix, the manifest last. Every upload is verified by the store's client."""
    for file in release:
        store.put_bytes(place.prefix.child(file.name), file.data, file.content_type)
    store.put_bytes(place.prefix.child(RELEASE_MANIFEST), manifest.encode(), "application/json")


def publish(store: ObjectStore, place: RunPlace, manifest: ReleaseManifest) -> None:
    """Copy a staged release to the training's output, the manifest last."""
    for entry in manifest.files:
        copied = store.copy(place.prefix.child(entry.name), place.output.child(entry.name))
        if copied.size != entry.size:
            raise StoreUnreachableError(
                f"{copied.address} has {copied.size} bytes after the copy, not {entry.size}: the store lost some"
            )
    store.put_bytes(place.output.child(RELEASE_MANIFEST), manifest.encode(), "application/json")


def find_release(store: ObjectStore, output: S3Address) -> ReleaseManifest | None:
    """The complete release at `output`, if there is one: a manifest, and every file with the size that it names."""
    address = output.child(RELEASE_MANIFEST)
    try:
        manifest = ReleaseManifest.model_validate_json(store.get_bytes(address, _MANIFEST_BYTES))
        for entry in manifest.files:
            if store.stat(output.child(entry.name)).size != entry.size:
                logger.warning(
                    "passing over the release at %s: %s has another size than its manifest says", output, entry.name
                )
                return None
    except ObjectNotFoundError:
        return None
    except ValidationError as error:
        raise InvalidConfigError(
            f"{address} exists and is no manifest of a release: choose another --output"
        ) from error
    return manifest


def as_result(output: S3Address, manifest: ReleaseManifest) -> dict[str, Any]:
    """The ``result`` of a status (``contracts/trainer.json``)."""
    model = manifest.file(MODEL_FILE)
    if model is None:
        raise InvalidConfigError(f"{output.child(RELEASE_MANIFEST)} names no {MODEL_FILE}: choose another --output")
    return {
        "model": str(output.child(MODEL_FILE)),
        "sha256": model.sha256,
        "accuracy": None if manifest.accuracy is None else round(manifest.accuracy, 4),
        "report": str(output.child(REPORT_FILE)),
        "metrics": str(output.child(METRICS_FILE)),
        "manifest": str(output.child(RELEASE_MANIFEST)),
        "trainSeconds": round(manifest.train_seconds, 3),
    }
