"""``MANIFEST.json``: what seals a release."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


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
    accuracy: float
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
