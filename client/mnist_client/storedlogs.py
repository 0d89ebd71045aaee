"""The log that an attempt left in the bucket: `<output>/logs/attempt-<n>/driver.log`, and older parts before it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from mnist_client.errors import StorageError
from mnist_client.storage import told

if TYPE_CHECKING:
    from mnist_trainer.store import ObjectStore

_PART = re.compile(r"driver(?:\.(\d+))?\.log")
_MOST_BYTES = 256 << 20


def read_log(open_store: Callable[[], ObjectStore], prefix: str, attempt: int) -> bytes | None:
    """Return the driver's log of an attempt, oldest part first; None where there is none, or we cannot tell. Blocks.

    `prefix` is the address below which everything of the training is kept.
    """
    from mnist_trainer.store import S3Address

    try:
        with told():
            store, folder = open_store(), S3Address.parse(prefix).child(f"logs/attempt-{attempt}")
            found = {info.address: _PART.fullmatch(info.address.name) for info in store.list(folder)}
            # driver.2.log is older than driver.1.log, and that than driver.log.
            parts = sorted((-int(match[1] or 0), address) for address, match in found.items() if match)
            return b"".join(store.get_bytes(address, _MOST_BYTES) for _, address in parts) if parts else None
    except StorageError:
        return None
