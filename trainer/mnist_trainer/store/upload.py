"""Uploads that are believed only after the store has shown what it holds."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, BinaryIO

from mnist_trainer.store.address import S3Address
from mnist_trainer.store.failures import DamagedTransferError
from mnist_trainer.store.http import reporting_sent
from mnist_trainer.store.objects import ObjectInfo, Progress
from mnist_trainer.store.retry import Attempts

if TYPE_CHECKING:
    from minio import Minio

PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_MD5 = re.compile(r"[0-9a-f]{32}")


def put(
    client: Minio, address: S3Address, file: BinaryIO, content_type: str, clock: Attempts, progress: Progress | None
) -> ObjectInfo:
    """Write everything that `file` holds, and compare what the store then has with what was sent.

    Raises DamagedTransferError when they differ.
    """
    size = file.seek(0, 2)
    part_bytes = max(PART_BYTES, -(-size // _MAX_PARTS))
    file.seek(0)
    source = _Reader(file, size, progress)
    with reporting_sent(source.sent, 0, 0):
        try:
            result = client.put_object(
                address.bucket,
                address.key,
                source,
                size,
                content_type=content_type,
                part_size=part_bytes,
                num_parallel_uploads=1,
            )
        finally:
            # Whole parts have arrived; the one that was being sent may not have.
            clock.moved(source.count - part_bytes, kept=False)
    if source.count != size:
        raise DamagedTransferError(f"the file changed while it was read: {source.count} of {size} bytes")
    found = client.stat_object(address.bucket, address.key)
    etag = found.etag or result.etag or ""
    if found.size != size:
        raise DamagedTransferError(f"the store has {found.size} bytes of {size}")
    if not source.matches(etag, part_bytes) and _stored_sha256(client, address) != source.sha256.hexdigest():
        raise DamagedTransferError("the store's copy differs from what was sent")
    return ObjectInfo(address, size, etag, source.sha256.hexdigest(), found.last_modified)


class _Reader:
    """Hashes what the client reads, and reports what it has sent."""

    def __init__(self, file: BinaryIO, size: int, progress: Progress | None) -> None:
        self._file = file
        self._size = size
        self._progress = progress
        self.count = 0
        self.sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.count += len(data)
        self.sha256.update(data)
        self._md5.update(data)
        return data

    def sent(self, done: int, _: int) -> None:
        # The client sends a part as soon as it has read it: what was read before this part has arrived already.
        if self._progress:
            part = self.count % PART_BYTES or min(self.count, PART_BYTES)
            self._progress(min(self.count - part + done, self._size), self._size)

    def matches(self, etag: str, part_bytes: int) -> bool:
        """Whether the etag proves the content: for a single part most stores give its MD5; others prove nothing."""
        return self._size <= part_bytes and bool(_MD5.fullmatch(etag)) and etag == self._md5.hexdigest()


def _stored_sha256(client: Minio, address: S3Address) -> str:
    digest = hashlib.sha256()
    response = client.get_object(address.bucket, address.key)
    try:
        for piece in response.stream(1 << 20):
            digest.update(piece)
    finally:
        response.close()
        response.release_conn()
    return digest.hexdigest()
