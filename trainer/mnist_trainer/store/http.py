"""The `minio` client over an HTTP pool whose every wait is bounded."""

from __future__ import annotations

import contextlib
import contextvars
import ssl
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi
import urllib3
from minio import Minio
from minio.credentials import IamAwsProvider
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import Timeout

from mnist_trainer.errors import InvalidConfigError
from mnist_trainer.store.objects import Progress
from mnist_trainer.store.retry import Attempts, RetryPolicy
from mnist_trainer.store.settings import StoreSettings

_SEND_BYTES = 128 * 1024
_clock: contextvars.ContextVar[Attempts | None] = contextvars.ContextVar("clock", default=None)
_sending: contextvars.ContextVar[tuple[Progress, int, int] | None] = contextvars.ContextVar("sending", default=None)


def make_client(settings: StoreSettings, policy: RetryPolicy) -> Minio:
    """A client for `settings`. It retries nothing itself: :func:`retrying` does, with one deadline for everything."""
    endpoint = urlsplit(settings.endpoint or "https://s3.amazonaws.com")
    # Without a region the client asks the store first, which costs a request and a permission; only AWS needs that.
    region = settings.region or ("us-east-1" if settings.endpoint else None)
    try:
        return Minio(
            endpoint.netloc,
            access_key=settings.access_key,
            secret_key=settings.secret_key,
            session_token=settings.session_token,
            credentials=None if settings.access_key else IamAwsProvider(),
            secure=endpoint.scheme == "https",
            region=region,
            http_client=make_pool(policy, settings.ca_pem, settings.endpoint or "https://s3.amazonaws.com"),
        )
    except ValueError as error:
        raise InvalidConfigError(f"the object store cannot be used: {error}") from None


def make_pool(policy: RetryPolicy, ca_pem: str | None, url: str) -> urllib3.PoolManager:
    """An HTTP pool for `url`: certificates are checked, proxies from the environment are used except for loopback."""
    options: dict[str, Any] = {
        "retries": False,
        "maxsize": 8,
        "timeout": Timeout(connect=policy.connect_timeout, read=policy.read_timeout),
    }
    parts = urlsplit(url)
    if parts.scheme == "https":
        options["ssl_context"] = _tls(ca_pem)
    proxy = _proxy(parts.scheme, parts.hostname or "")
    pool: urllib3.PoolManager = _BoundedProxyManager(proxy, **options) if proxy else _BoundedPoolManager(**options)
    pool.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}
    return pool


@contextlib.contextmanager
def bounded_by(clock: Attempts) -> Iterator[None]:
    """No request made inside waits past the end of `clock`."""
    token = _clock.set(clock)
    try:
        yield
    finally:
        _clock.reset(token)


@contextlib.contextmanager
def reporting_sent(progress: Progress | None, done: int, total: int) -> Iterator[None]:
    """Report the bytes of a request body that are sent inside, counted from `done`."""
    token = _sending.set((progress, done, total) if progress else None)
    try:
        yield
    finally:
        _sending.reset(token)


class _BoundedRequests:
    """Mixin of a pool manager: cuts each request's timeouts to what the operation has left."""

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> urllib3.BaseHTTPResponse:
        clock = _clock.get()
        if clock is not None and "timeout" not in kw:
            left = max(0.1, clock.remaining)
            kw["timeout"] = Timeout(
                connect=min(clock.policy.connect_timeout, left), read=min(clock.policy.read_timeout, left)
            )
        parent = cast(Any, super())
        return cast(urllib3.BaseHTTPResponse, parent.urlopen(method, url, redirect=redirect, **kw))


class _BoundedPoolManager(_BoundedRequests, urllib3.PoolManager):  # type: ignore[misc]
    pass


class _BoundedProxyManager(_BoundedRequests, urllib3.ProxyManager):  # type: ignore[misc]
    pass


class _SendsInPieces:
    """Mixin of a connection: sends a body piece by piece.

    The socket's timeout bounds the *whole* of one ``sendall``, so a large body on a slow line would fail although
    it moves; and urllib3 leaves the (short) connect timeout in force while it sends.
    """

    def send(self, data: Any) -> None:
        parent = cast(Any, super())
        if not isinstance(data, (bytes, bytearray, memoryview)) or len(data) <= _SEND_BYTES:
            parent.send(data)
            return
        sending = _sending.get()
        clock = _clock.get()
        sock = cast(Any, self).sock
        if sock is not None and clock is not None:
            sock.settimeout(clock.policy.read_timeout)
        view = memoryview(data)
        for start in range(0, len(view), _SEND_BYTES):
            piece = view[start : start + _SEND_BYTES]
            parent.send(piece)
            if sending:
                progress, done, total = sending
                progress(done + start + len(piece), total)


class _HTTPConnection(_SendsInPieces, HTTPConnection):
    pass


class _HTTPSConnection(_SendsInPieces, HTTPSConnection):
    pass


class _HTTPPool(urllib3.HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


def _tls(ca_pem: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.load_default_certs()
    if ca_pem:
        try:
            context.load_verify_locations(cadata=ca_pem)
        except (ssl.SSLError, ValueError) as error:
            raise InvalidConfigError(f"the store's CA certificate is not valid PEM: {error}") from None
    return context


def _proxy(scheme: str, host: str) -> str | None:
    proxy = getproxies().get(scheme)
    if not proxy or host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"
