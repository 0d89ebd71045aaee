"""Addresses of objects, ``s3://bucket/key``, and what the store tells about an object."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from mnist_trainer.errors import InvalidConfigError

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4 = re.compile(r"\d{1,3}(\.\d{1,3}){3}")
_MAX_KEY_BYTES = 1024


@dataclass(frozen=True, order=True)
class S3Address:
    """A bucket, and a key in it; an empty key names the whole bucket. Build it with :meth:`parse`."""

    bucket: str
    key: str = ""

    @classmethod
    def parse(cls, text: str) -> S3Address:
        """Read ``s3://bucket[/key]``; a trailing slash means nothing. Raises InvalidConfigError with one line."""
        scheme, separator, rest = text.strip().partition("://")
        if not separator or scheme.lower() != "s3":
            raise InvalidConfigError(f"{_shown(text)} is not an s3 address: it must look like s3://bucket/path")
        bucket, _, key = rest.partition("/")
        problem = _bucket_problem(bucket) or _key_problem(key.removesuffix("/"))
        if problem:
            raise InvalidConfigError(f"{_shown(text)} is not a valid s3 address: {problem}")
        return cls(bucket, key.removesuffix("/"))

    def child(self, name: str) -> S3Address:
        """The address of `name` (may contain slashes) below this one."""
        problem = _key_problem(name) or ("a name is missing" if not name else "")
        if problem:
            raise InvalidConfigError(f"{_shown(name)} cannot be added to {self}: {problem}")
        return S3Address(self.bucket, f"{self.key}/{name}" if self.key else name)

    @property
    def name(self) -> str:
        """The last segment of the key; empty for a bucket."""
        return self.key.rpartition("/")[2]

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}" if self.key else f"s3://{self.bucket}"


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


def _bucket_problem(bucket: str) -> str:
    if not bucket:
        return "the bucket is missing (s3://bucket/path)"
    if not 3 <= len(bucket) <= 63:
        return f"a bucket name has 3 to 63 characters, {bucket[:70]!r} has {len(bucket)}"
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or _IPV4.fullmatch(bucket):
        return f"{bucket!r} is not a bucket name (lower-case letters, digits, '-' and '.', not an IP address)"
    return ""


def _key_problem(key: str) -> str:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "the path is not valid Unicode"
    if size > _MAX_KEY_BYTES:
        return f"the path is longer than {_MAX_KEY_BYTES} bytes"
    if any(ord(c) < 32 or ord(c) == 127 or c == "\\" for c in key):
        return "the path contains a control character or a backslash"
    segments = key.split("/") if key else []
    if "" in segments:
        return "the path contains an empty segment ('//')"
    if "." in segments or ".." in segments:
        return "the path contains '.' or '..'"
    return ""


def _shown(text: str) -> str:
    return repr(text if len(text) <= 120 else text[:117] + "...")
