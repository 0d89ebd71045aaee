"""An object store in memory, with the methods of `ObjectStore` that the trainer uses."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from mnist_trainer.errors import ObjectNotFoundError, ObjectTooLargeError, TrainerError
from mnist_trainer.store import ObjectInfo, S3Address


class MemoryStore:
    """`writes` lists the addresses in the order they were written."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.writes: list[str] = []
        self.fail_reads: TrainerError | None = None
        self.fail_writes: Callable[[str], TrainerError | None] | None = None
        self.fail_deletes: TrainerError | None = None

    def put_bytes(self, address: S3Address, data: bytes, content_type: str = "") -> ObjectInfo:
        if self.fail_writes and (error := self.fail_writes(str(address))):
            raise error
        self.objects[str(address)] = data
        self.writes.append(str(address))
        return ObjectInfo(address, len(data), "", hashlib.sha256(data).hexdigest())

    def get_bytes(self, address: S3Address, max_bytes: int | None = None) -> bytes:
        if self.fail_reads:
            raise self.fail_reads
        if str(address) not in self.objects:
            raise ObjectNotFoundError(f"{address} does not exist")
        data = self.objects[str(address)]
        if max_bytes is not None and len(data) > max_bytes:
            raise ObjectTooLargeError(f"{address} is too large")
        return data

    def get_head(self, address: S3Address, count: int) -> bytes:
        return self.get_bytes(address)[:count]

    def list(self, address: S3Address) -> Iterator[ObjectInfo]:
        if self.fail_reads:
            raise self.fail_reads
        for text in sorted(self.objects):
            if text.startswith(f"{address}/"):
                yield ObjectInfo(S3Address.parse(text), len(self.objects[text]))

    def stat(self, address: S3Address) -> ObjectInfo:
        return ObjectInfo(address, len(self.get_bytes(address)))

    def copy(self, source: S3Address, destination: S3Address) -> ObjectInfo:
        return self.put_bytes(destination, self.get_bytes(source))

    def delete(self, address: S3Address) -> None:
        if self.fail_deletes:
            raise self.fail_deletes
        self.objects.pop(str(address), None)
