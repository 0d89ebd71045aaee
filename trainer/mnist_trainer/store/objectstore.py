"""The client of the object store that everything in the trainer uses.

Every method is one operation: a function that is given the operation's clock, tried by `_call` until it succeeds, fails
for good, or the clock runs out. Transfers are in :mod:`.transfer`, sentences about failures in :mod:`.failures`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from mnist_trainer.errors import InvalidConfigError, ObjectNotFoundError, TrainerError
from mnist_trainer.localdisk import disk_problem
from mnist_trainer.store.address import ObjectInfo, Progress, S3Address
from mnist_trainer.store.retry import Attempts, RetryPolicy, retrying
from mnist_trainer.store.settings import StoreSettings

if TYPE_CHECKING:
    from minio import Minio

    from mnist_trainer.store.connection import Renew

T = TypeVar("T")

_OCTETS = "application/octet-stream"


class ObjectStore:
    """Reads and writes whole objects. Safe to share between threads, and to pickle (with its credentials).

    Every operation is retried with backoff until ``policy.give_up_after``, and then raises a TrainerError:
    StoreUnreachableError, StoreAccessDeniedError, BucketNotFoundError, ObjectNotFoundError, OutOfSpaceError, or
    InvalidConfigError (a wrong endpoint, an untrusted certificate).
    """

    def __init__(self, settings: StoreSettings, policy: RetryPolicy | None = None, renew: Renew | None = None) -> None:
        """`renew` is asked for other credentials when the store refuses those in use (see :class:`Connection`)."""
        # Imported here: a third of a second that commands without a store need not spend.
        from mnist_trainer.store.connection import Connection

        self.policy = policy or RetryPolicy.from_env()
        self._connection = Connection(settings, self.policy, renew)

    @property
    def settings(self) -> StoreSettings:
        """Endpoint and credentials in use."""
        return self._connection.settings

    def _client(self, clock: Attempts) -> Minio:
        return self._connection.client(clock)

    def __reduce__(self) -> tuple[type[ObjectStore], tuple[StoreSettings, RetryPolicy]]:
        return type(self), (self.settings, self.policy)

    def __repr__(self) -> str:
        return f"ObjectStore({self.settings.where})"

    def check(self, address: S3Address, write: bool = False) -> None:
        """Make sure that the store answers, the credentials are right, the bucket exists (and is writable)."""
        next(self.list(address), None)
        if write:
            probe = address.child(f".write-check-{uuid.uuid4().hex}")
            self._put(probe, io.BytesIO(), _OCTETS, f"checking that {address} can be written")
            self.delete(probe)

    def stat(self, address: S3Address) -> ObjectInfo:
        """Size and etag of one object. Raises ObjectNotFoundError."""
        found = self._call(
            lambda clock: self._client(clock).stat_object(address.bucket, address.key), f"looking for {address}"
        )
        return ObjectInfo(address, found.size or 0, found.etag or "", modified=found.last_modified)

    def exists(self, address: S3Address) -> bool:
        """Whether the object is there."""
        try:
            self.stat(address)
        except ObjectNotFoundError:
            return False
        return True

    def list(self, address: S3Address) -> Iterator[ObjectInfo]:
        """Every object below an address, in the order of their keys; nothing if there is none."""
        prefix = f"{address.key}/" if address.key else None
        last: str | None = None
        while True:
            # One page at a time, so that a failure in the middle is retried from there.
            page, more = self._call(partial(self._page, address.bucket, prefix, last), f"listing {address}")
            yield from page
            if not more:
                return
            last = page[-1].address.key

    def _page(
        self, bucket: str, prefix: str | None, after: str | None, clock: Attempts
    ) -> tuple[tuple[ObjectInfo, ...], bool]:
        page = []
        for found in self._client(clock).list_objects(bucket, prefix=prefix, recursive=True, start_after=after):
            key = found.object_name or ""
            if not found.is_dir and not key.endswith("/"):
                page.append(
                    ObjectInfo(S3Address(bucket, key), found.size or 0, found.etag or "", modified=found.last_modified)
                )
            if len(page) == 1000:
                return tuple(page), True
        return tuple(page), False

    def get_bytes(self, address: S3Address, max_bytes: int | None = None) -> bytes:
        """The whole object. Raises ObjectTooLargeError beyond `max_bytes`."""
        buffer = bytearray()

        def restart() -> None:
            buffer.clear()

        self._download(address, buffer.extend, restart, max_bytes, None)
        return bytes(buffer)

    def digest(self, address: S3Address) -> ObjectInfo:
        """Read the whole object, however large, for its sha256. Raises ObjectNotFoundError."""
        found = hashlib.sha256()

        def restart() -> None:
            nonlocal found
            found = hashlib.sha256()

        info = self._download(address, lambda data: found.update(data), restart, None, None)
        return ObjectInfo(address, info.size, info.etag, found.hexdigest(), info.modified)

    def get_head(self, address: S3Address, count: int) -> bytes:
        """The first `count` bytes, or all of a shorter object."""
        from mnist_trainer.store.transfer import read_head

        return self._call(lambda clock: read_head(self._client(clock), address, count), f"reading {address}")

    def get_file(
        self, address: S3Address, path: str | os.PathLike[str], progress: Progress | None = None
    ) -> ObjectInfo:
        """Download to a file, which appears only when it is complete."""
        path = Path(path)
        partial = path.with_name(f".{path.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                digest = _Digesting(file, path)
                info = self._download(address, digest.write, digest.restart, None, progress)
            partial.replace(path)
        except OSError as error:
            raise disk_problem(error, path) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
        return ObjectInfo(address, info.size, info.etag, digest.hexdigest(), info.modified)

    def put_bytes(self, address: S3Address, data: bytes, content_type: str = _OCTETS) -> ObjectInfo:
        """Write an object and make sure that the store holds exactly these bytes."""
        return self._put(address, io.BytesIO(data), content_type, f"writing {address}")

    def put_file(
        self,
        path: str | os.PathLike[str],
        address: S3Address,
        progress: Progress | None = None,
        content_type: str = _OCTETS,
    ) -> ObjectInfo:
        """Upload a file, in parts if it is large, and make sure that the store holds exactly its bytes."""
        path = Path(path)
        try:
            with path.open("rb") as file:
                return self._put(address, file, content_type, f"writing {address}", progress)
        except OSError as error:
            raise disk_problem(error, path) from error

    def _put(
        self, address: S3Address, file: BinaryIO, content_type: str, doing: str, progress: Progress | None = None
    ) -> ObjectInfo:
        from mnist_trainer.store.transfer import upload

        return self._call(lambda clock: upload(self._connection, address, file, content_type, clock, progress), doing)

    def delete(self, address: S3Address) -> None:
        """Remove one object; it is no error if it is not there."""
        if not address.key:
            raise InvalidConfigError(f"{address} is a bucket, not an object")
        self._call(lambda clock: self._client(clock).remove_object(address.bucket, address.key), f"deleting {address}")

    def copy(self, source: S3Address, destination: S3Address) -> ObjectInfo:
        """Copy one object inside the store, and make sure that the copy has its size."""
        from minio.commonconfig import CopySource

        self._call(
            lambda clock: self._client(clock).copy_object(
                destination.bucket, destination.key, CopySource(source.bucket, source.key)
            ),
            f"copying {source} to {destination}",
        )
        original, copied = self.stat(source), self.stat(destination)
        if original.size != copied.size:
            raise TrainerError(f"the copy {destination} has {copied.size} bytes, its source {source} {original.size}")
        return copied

    def make_bucket(self, address: S3Address) -> bool:
        """Make the bucket of an address, in the settings' region, unless it is there; returns whether it was made."""
        from minio.error import S3Error

        def attempt(clock: Attempts) -> bool:
            client = self._client(clock)
            try:
                if client.bucket_exists(address.bucket):
                    return False
                client.make_bucket(address.bucket)
            except S3Error as error:
                if error.code != "BucketAlreadyOwnedByYou":
                    raise
                return False
            return True

        return self._call(attempt, f"making the bucket {address.bucket!r}")

    def _download(
        self,
        address: S3Address,
        write: Callable[[bytes], object],
        restart: Callable[[], None],
        max_bytes: int | None,
        progress: Progress | None,
    ) -> ObjectInfo:
        from mnist_trainer.store.transfer import Download

        download = Download(self._client, address, write, restart, max_bytes, progress)
        return self._call(download.attempt, f"reading {address}")

    def _call(self, attempt: Callable[[Attempts], T], doing: str) -> T:
        from mnist_trainer.store.failures import Translator

        connection = self._connection
        used = connection.settings
        translator = Translator(f"the object store at {used.where}", doing, used)

        def once(clock: Attempts) -> T:
            nonlocal used, translator
            if connection.settings != used:
                used = connection.settings
                translator = Translator(f"the object store at {used.where}", doing, used)
            result = attempt(clock)
            connection.worked()
            return result

        return retrying(
            once, self.policy, lambda error: translator(error), lambda error: connection.recovers(error, used)
        )


class _Digesting:
    """A file with the sha256 of what was written to it."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            # Translated here, or a failing disk would be taken for a failing store.
            raise disk_problem(error, self._path) from error
        self._hash.update(data)

    def restart(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()
