"""Downloads that carry on where a broken connection left them; uploads that are believed only once they are verified.

An upload is compared with what the store then holds: by size, and by the etag where that is the content's MD5, or else
by reading it back.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

from mnist_trainer.errors import ObjectTooLargeError
from mnist_trainer.store.address import ObjectInfo, Progress, S3Address
from mnist_trainer.store.failures import DamagedTransferError, StalledError
from mnist_trainer.store.retry import Attempts

if TYPE_CHECKING:
    from minio import Minio

    from mnist_trainer.store.connection import Connection

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")
_MD5 = re.compile(r"[0-9a-f]{32}")
PART_BYTES = 16 << 20
_MAX_PARTS = 10_000
_READ_BYTES = 256 * 1024
_MIN_PER_WINDOW = 16 * 1024  # bytes within one read timeout: less is a stall, however steadily it drips


def read_head(client: Minio, address: S3Address, count: int) -> bytes:
    """The first `count` bytes of an object. Raises whatever the connection raises."""
    from minio.error import S3Error

    headers = {"Accept-Encoding": "identity"}
    try:
        response = client.get_object(address.bucket, address.key, length=count, request_headers=headers)
    except S3Error as error:
        if error.code == "InvalidRange":  # an empty object has no first byte
            return b""
        raise
    try:
        data = bytearray()
        while len(data) < count and (piece := response.read1(count - len(data))):
            data += piece
        # A shorter answer is either a short object or a broken connection.
        announced = min(count, int(response.headers.get("content-length", 0)))
        if len(data) < announced:
            raise DamagedTransferError(f"{announced - len(data)} of {announced} bytes are missing")
        return bytes(data)
    finally:
        response.close()  # a server that ignores ranges would send everything
        response.release_conn()


class Download:
    """State that outlives the tries: how much has been written, and of which version of the object."""

    def __init__(
        self,
        client: Callable[[Attempts], Minio],
        address: S3Address,
        write: Callable[[bytes], object],
        restart: Callable[[], None],
        max_bytes: int | None,
        progress: Progress | None,
    ) -> None:
        self._client = client
        self._address = address
        self._write = write
        self._restart = restart
        self._max_bytes = max_bytes
        self._progress = progress
        self._done = 0
        self._etag = ""
        self._total = 0

    def attempt(self, clock: Attempts) -> ObjectInfo:
        """Fetch what is still missing. Raises whatever the connection raises; the next attempt continues."""
        response = self._open(clock)
        began = self._done
        try:
            total = self._place(response)
            if self._max_bytes is not None and total > self._max_bytes:
                raise ObjectTooLargeError(
                    f"{self._address} has {total} bytes, more than the {self._max_bytes} allowed here"
                )
            self._read(response, total, clock)
            if self._done != total:
                raise DamagedTransferError(f"{total - self._done} of {total} bytes are missing")
        finally:
            clock.moved(self._done - began)
            response.close()
            response.release_conn()
        return ObjectInfo(self._address, self._done, self._etag)

    def _open(self, clock: Attempts) -> Any:
        from minio.error import S3Error

        try:
            return self._client(clock).get_object(
                self._address.bucket,
                self._address.key,
                offset=self._done,
                request_headers={"Accept-Encoding": "identity"},
            )
        except S3Error as error:
            if error.code == "InvalidRange":
                self._from_the_start()
                raise DamagedTransferError("the object changed while it was read") from error
            raise

    def _place(self, response: Any) -> int:
        """Find out which bytes this answer brings, and return the size of the whole object."""
        etag = response.headers.get("etag", "").strip('"')
        length = int(response.headers.get("content-length", 0))
        # The header decides, not the status: some servers answer a range with 200 instead of 206.
        given = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        start = int(given["start"]) if given else 0
        total = int(given["total"]) if given else length
        if self._done:
            same = (etag, total) == (self._etag, self._total)
            if not same or start != self._done:
                self._from_the_start()
        if start != self._done:
            raise DamagedTransferError("the object changed while it was read")
        self._etag, self._total = etag, total
        return total

    def _read(self, response: Any, total: int, clock: Attempts) -> None:
        window = time.monotonic()
        in_window = 0
        while self._done < total:
            piece = response.read1(_READ_BYTES)
            if not piece:
                return
            self._write(piece)
            self._done += len(piece)
            in_window += len(piece)
            if self._progress:
                self._progress(self._done, total)
            if time.monotonic() - window > clock.policy.read_timeout:
                if in_window < _MIN_PER_WINDOW:
                    raise StalledError(f"only {in_window} bytes came in {clock.policy.read_timeout:.0f} s")
                window, in_window = time.monotonic(), 0

    def _from_the_start(self) -> None:
        self._restart()
        self._done = 0


def upload(
    connection: Connection,
    address: S3Address,
    file: BinaryIO,
    content_type: str,
    clock: Attempts,
    progress: Progress | None,
) -> ObjectInfo:
    """Write everything that `file` holds, and compare what the store then has with what was sent.

    Raises DamagedTransferError when they differ.
    """
    size = file.seek(0, 2)
    part_bytes = max(PART_BYTES, -(-size // _MAX_PARTS))
    file.seek(0)
    source = _Reader(file, size, progress)
    client = connection.client(clock, source.sent)
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

    def sent(self, done: int) -> None:
        """Report that so much of the part in hand has been sent."""
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
