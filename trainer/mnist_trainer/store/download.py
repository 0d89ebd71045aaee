"""One download that carries on where a broken connection left it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mnist_trainer.errors import ObjectTooLargeError
from mnist_trainer.store.address import S3Address
from mnist_trainer.store.failures import DamagedTransferError, StalledError
from mnist_trainer.store.objects import ObjectInfo, Progress
from mnist_trainer.store.retry import Attempts

if TYPE_CHECKING:
    from minio import Minio

_CONTENT_RANGE = re.compile(r"bytes (?P<start>\d+)-\d+/(?P<total>\d+)")
_READ_BYTES = 256 * 1024
_LEAST_PER_WINDOW = 16 * 1024  # bytes within one read timeout: less is a stall, however steadily it drips


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
        client: Callable[[], Minio],
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
        response = self._open()
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

    def _open(self) -> Any:
        from minio.error import S3Error

        try:
            return self._client().get_object(
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
                if in_window < _LEAST_PER_WINDOW:
                    raise StalledError(f"only {in_window} bytes came in {clock.policy.read_timeout:.0f} s")
                window, in_window = time.monotonic(), 0

    def _from_the_start(self) -> None:
        self._restart()
        self._done = 0
