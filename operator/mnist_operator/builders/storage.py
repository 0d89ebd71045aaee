"""The owned Secret with the storage credentials, normalised from the Secret that the user named."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from mnist_operator.api.spec import StorageSpec
from mnist_operator.builders.context import Manifest, Training
from mnist_operator.builders.metadata import child, sealed, storage_secret_name

REQUIRED_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OPTIONAL_KEYS = ("AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION")
CA_SOURCE_KEY = "ca.crt"
CA_KEY = "MNIST_STORAGE_CA_PEM"
_DEFAULT_REGION = "us-east-1"


def credential_problems(data: Mapping[str, str] | None) -> list[str]:
    """Say what is wrong with the source Secret's `data` (base64 values), never quoting a value."""
    problems = []
    for key in REQUIRED_KEYS:
        value = _decoded(data, key)
        if value is None:
            problems.append(f"key {key} is missing")
        elif not value.strip():
            problems.append(f"key {key} is empty")
    return problems


def storage_secret(training: Training, source: Mapping[str, str]) -> Manifest:
    """Return the owned Secret: the variables that the trainer reads, and nothing else of the source.

    Args:
        training: the training.
        source: `data` of the source Secret (base64 values), free of `credential_problems`.
    """
    values = {key: value for key in (*REQUIRED_KEYS, *OPTIONAL_KEYS) if (value := _decoded(source, key))}
    if ca := _decoded(source, CA_SOURCE_KEY):
        values[CA_KEY] = ca
    values = {key: value.strip() for key, value in values.items()}
    values.update(_from_spec(training.spec.storage))
    values.setdefault("AWS_REGION", _DEFAULT_REGION)
    data = {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
    return sealed(
        child(
            training,
            api_version="v1",
            kind="Secret",
            name=storage_secret_name(training),
            component="storage",
            type="Opaque",
            data=data,
        )
    )


def _from_spec(storage: StorageSpec) -> dict[str, str]:
    given = {"AWS_ENDPOINT_URL": storage.endpoint, "AWS_REGION": storage.region}
    return {key: value for key, value in given.items() if value}


def _decoded(data: Mapping[str, str] | None, key: str) -> str | None:
    encoded = (data or {}).get(key)
    if encoded is None:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
