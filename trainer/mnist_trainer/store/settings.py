"""Where the store is and who we are there, from the environment variables that every S3 tool knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from mnist_trainer.errors import InvalidConfigError, StoreAccessDeniedError

_WORKLOAD_IDENTITY = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)


@dataclass(frozen=True)
class StoreSettings:
    """Endpoint, region and credentials of an S3-compatible store. Its repr shows no secret.

    `endpoint` is ``scheme://host[:port]`` or None for AWS. Without `access_key` the credentials come from the
    workload's identity (AWS only).
    """

    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    ca_pem: str | None = field(default=None, repr=False)

    @classmethod
    def from_env(
        cls, env: Mapping[str, str] | None = None, endpoint: str | None = None, region: str | None = None
    ) -> StoreSettings:
        """Read AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL and AWS_REGION.

        A private CA is MNIST_STORAGE_CA_PEM (the text itself) or AWS_CA_BUNDLE (a file). `endpoint` and `region` win
        over the environment. Raises StoreAccessDeniedError without credentials, InvalidConfigError if malformed.
        """
        env = os.environ if env is None else env

        def get(*names: str) -> str | None:
            # Values copied into Secrets often end with a newline, which no HTTP header may carry.
            return next((value for name in names if (value := env.get(name, "").strip())), None)

        access_key, secret_key = get("AWS_ACCESS_KEY_ID"), get("AWS_SECRET_ACCESS_KEY")
        if bool(access_key) != bool(secret_key):
            missing = "AWS_SECRET_ACCESS_KEY" if access_key else "AWS_ACCESS_KEY_ID"
            raise StoreAccessDeniedError(f"the storage credentials are incomplete: {missing} is not set")
        if not access_key and not get(*_WORKLOAD_IDENTITY):
            raise StoreAccessDeniedError("no storage credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
        return cls(
            endpoint=normal_endpoint(endpoint or get("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")),
            region=region or get("AWS_REGION", "AWS_DEFAULT_REGION"),
            access_key=access_key,
            secret_key=secret_key,
            session_token=get("AWS_SESSION_TOKEN") if access_key else None,
            ca_pem=get("MNIST_STORAGE_CA_PEM") or _read_bundle(get("AWS_CA_BUNDLE")),
        )

    @property
    def where(self) -> str:
        """The store's name in messages."""
        return self.endpoint or "AWS S3"


def normal_endpoint(text: str | None) -> str | None:
    """Check an endpoint URL and reduce it to ``scheme://host[:port]``. Raises InvalidConfigError."""
    if not text:
        return None
    text = text.strip()
    example = "it must look like https://minio.example.org:9000"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise InvalidConfigError(f"the storage endpoint {text[:120]!r} is not a URL: {example}") from None
    if url.username or url.password:
        raise InvalidConfigError(
            "the storage endpoint must not contain credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if url.scheme not in ("http", "https") or not url.hostname or any(c.isspace() for c in text):
        raise InvalidConfigError(f"the storage endpoint {text[:120]!r} is not an http(s) URL: {example}")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise InvalidConfigError(
            f"the storage endpoint {text[:120]!r} must not have a path: buckets go into the s3:// addresses"
        )
    host = f"[{url.hostname}]" if ":" in url.hostname else url.hostname
    return f"{url.scheme}://{host}" + (f":{port}" if port is not None else "")


def _read_bundle(path: str | None) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigError(
            f"AWS_CA_BUNDLE: cannot read {path}: {getattr(error, 'strerror', None) or error}"
        ) from None
