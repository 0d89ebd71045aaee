"""The object store of a training, with the rights of whoever asks.

The keys are in the training's Secret. It is read with the caller's own token: who may not read it with kubectl gets
nothing of the bucket here. The portal's own identity is never used (it has none), and a store at the portal's own
address or at a link-local one is not asked, for a training's author could name it.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit

from mnist_client.threads import in_thread
from mnist_kube.errors import ApiError
from mnist_kube.objects import Object
from mnist_kube.resources import SECRETS
from mnist_portal.access import Access
from mnist_portal.security import is_reachable_store
from mnist_trainer.errors import TrainerError
from mnist_trainer.store import ObjectStore, RetryPolicy, S3Address, StoreSettings

T = TypeVar("T")

_POLICY = RetryPolicy(connect_timeout=3, read_timeout=15, give_up_after=15)
_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION")
_CA_KEY, _CA_VARIABLE = "ca.crt", "MNIST_STORAGE_CA_PEM"
_MOST_LOG_BYTES = 32 << 20
_MOST_LOGS = 400
_SECRET = "minio-credentials"  # noqa: S105 - a name, not a secret


class StoreError(Exception):
    """The bucket cannot be used; one sentence says why, and what to do."""


@dataclass(frozen=True)
class StoredLog:
    """A log that a training left in its bucket; `path` is below its output."""

    path: str
    size: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]

    @property
    def attempt(self) -> int:
        """The attempt that wrote it."""
        number = self.path.removeprefix("logs/attempt-").partition("/")[0]
        return int(number) if number.isdigit() else 0


def output_of(training: Object) -> S3Address:
    """Return the address below which all of a training lies. Raises StoreError."""
    metadata = training["metadata"]
    try:
        base = S3Address.parse(str((training["spec"].get("storage") or {}).get("output")))
    except TrainerError as error:
        raise StoreError(error.message) from None
    return base.child(f"{metadata['namespace']}/{metadata['name']}/{metadata['uid']}")


@dataclass(frozen=True)
class StorePlace:
    """Which store, and the Secret with its keys: as `spec.storage` of a training says, or as somebody types."""

    namespace: str
    secret: str
    endpoint: str = ""
    region: str = ""

    @classmethod
    def of(cls, training: Object) -> StorePlace:
        """Read a training's."""
        storage = training["spec"].get("storage") or {}
        secret = str(storage.get("credentialsSecret") or _SECRET)
        endpoint, region = str(storage.get("endpoint") or ""), str(storage.get("region") or "")
        return cls(training["metadata"]["namespace"], secret, endpoint, region)

    @property
    def query(self) -> dict[str, str]:
        """As parts of an address."""
        told = {"namespace": self.namespace, "secret": self.secret, "endpoint": self.endpoint, "region": self.region}
        return {key: value for key, value in told.items() if value}


async def open_store(access: Access, place: StorePlace) -> ObjectStore:
    """Return a store, with the keys of its Secret. Raises StoreError, or ApiError."""
    values = await secret_of(access, place.namespace, place.secret)
    if not values.get("AWS_ACCESS_KEY_ID"):
        raise StoreError(
            f"Secret {place.namespace}/{place.secret} has no AWS_ACCESS_KEY_ID: the trainer uses an identity of its "
            "own there, which the portal does not have"
        )
    endpoint = place.endpoint or values.get("AWS_ENDPOINT_URL")
    return await in_thread(lambda: _opened(access, values, endpoint, place.region or None))


def _opened(access: Access, values: dict[str, str], endpoint: str | None, region: str | None) -> ObjectStore:
    try:
        settings = StoreSettings.from_env(values, endpoint=endpoint, region=region)
        _check(access, settings.endpoint)
        return ObjectStore(settings, _POLICY)
    except TrainerError as error:
        raise StoreError(error.message) from None


def _check(access: Access, endpoint: str | None) -> None:
    """Refuse stores that only somebody with bad intentions names. Raises StoreError."""
    host = urlsplit(endpoint).hostname if endpoint else None
    if host is None:
        return
    settings = access.settings
    if settings.stores and host not in settings.stores:
        raise StoreError(f"the portal may not ask the store at {host}: it is not among those that it was given")
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StoreError(f"the store {host} is not known from here: {error.strerror or error}") from None
    for *_, address in found:
        if not is_reachable_store(settings, str(address[0]).partition("%")[0]):
            raise StoreError(f"the portal does not ask {host}: {address[0]} is an address of its own machine")


async def secret_of(access: Access, namespace: str, name: str) -> dict[str, str]:
    """Return what of a Secret is about a store. Raises StoreError where whoever asks may not read it, or ApiError."""
    try:
        secret = await access.api.get(SECRETS.path(namespace, name))
    except ApiError as error:
        if error.status == 403:
            raise StoreError(
                f"you may not read Secret {namespace}/{name}, which has the bucket's keys: ask for `get` on it"
            ) from None
        if error.not_found:
            raise StoreError(f"Secret {namespace}/{name}, which has the bucket's keys, does not exist") from None
        raise
    data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    values = {key: data[key].strip() for key in _KEYS if data.get(key)}
    return values | ({_CA_VARIABLE: data[_CA_KEY]} if data.get(_CA_KEY) else {})


async def with_store(access: Access, place: StorePlace, work: Callable[[ObjectStore], T]) -> T:
    """Do blocking work with a store, in a thread. Raises StoreError, or ApiError."""
    store = await open_store(access, place)
    try:
        return await in_thread(lambda: work(store))
    except TrainerError as error:
        raise StoreError(error.message) from None


# --- logs ------------------------------------------------------------------------------------------------------------


async def stored_logs(access: Access, training: Object) -> tuple[list[StoredLog], str]:
    """Return the logs that a training left in its bucket, and why none can be listed."""
    if not (training.get("status") or {}).get("attempt"):
        return [], ""
    try:
        prefix = output_of(training).child("logs")
        base = len(output_of(training).key) + 1

        def listed(store: ObjectStore) -> list[StoredLog]:
            found = []
            for info in store.list(prefix):
                found.append(StoredLog(info.address.key[base:], info.size))
                if len(found) >= _MOST_LOGS:
                    break
            return sorted(found, key=lambda log: (-log.attempt, log.path))

        return await with_store(access, StorePlace.of(training), listed), ""
    except StoreError as error:
        return [], str(error)


async def stored_text(access: Access, training: Object, path: str, tail: int | None) -> tuple[str, str]:
    """Return the last lines of a log in the bucket (None: all of it), and why there is none."""
    try:
        address = output_of(training).child(path)
        data = await with_store(
            access, StorePlace.of(training), lambda store: store.get_bytes(address, _MOST_LOG_BYTES)
        )
    except StoreError as error:
        return "", str(error)
    text = data.decode(errors="replace")
    return ("\n".join(text.splitlines()[-tail:]) if tail is not None else text), ""
