"""What the store tells about an object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mnist_trainer.store.address import S3Address

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all) while an object is transferred; done can fall back when a try is repeated."""


@dataclass(frozen=True)
class ObjectInfo:
    """One object. `size` in bytes; `sha256` (hex) is known only to whoever has just written or read the whole of it."""

    address: S3Address
    size: int
    etag: str = ""
    sha256: str | None = None
    modified: datetime | None = None
