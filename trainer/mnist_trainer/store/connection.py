"""The way to the store: an HTTP pool whose every wait is bounded, credentials that can be renewed, and `minio` on top.

One operation of :class:`ObjectStore` is tried again and again by :func:`retrying`, with one clock. Each try takes a
client of its own from :meth:`Connection.client`: it is cheap to make, shares the pool of connections with all others,
and knows the clock, so that no request of it waits longer than the operation may still take.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from minio import Minio
from minio.credentials import IamAwsProvider
from urllib3.util import Timeout

from mnist_trainer.errors import CredentialsRefusedError, InvalidConfigError, StoreAccessDeniedError, TrainerError
from mnist_trainer.store.retry import Attempts, RetryPolicy
from mnist_trainer.store.settings import StoreSettings
from mnist_trainer.store.tls import tls_context

_PIECE_BYTES = 16 * 1024
_AWS = "https://s3.amazonaws.com"

Renew = Callable[[StoreSettings], StoreSettings | None]
"""Given refused settings, returns those that hold now (perhaps the same); None if there is nowhere to ask."""

Sent = Callable[[int], object]
"""Called with the bytes of a request's body that have been sent so far."""

logger = logging.getLogger(__name__)


class Connection:
    """Settings in use, and clients made from them; threads that share it change to new credentials together.

    When credentials that worked are refused, they have been rotated, and the new ones may be a moment behind: then it
    asks for them again and again, as long as the policy is patient. Others are asked for once.
    """

    def __init__(self, settings: StoreSettings, policy: RetryPolicy, renew: Renew | None) -> None:
        self.settings = settings
        self._policy = policy
        self._renew = renew
        self._pool = make_pool(policy, settings.ca_pem, settings.endpoint or _AWS)
        self._identity = None if settings.access_key else IamAwsProvider()
        self._regions: dict[str, str] = {}
        self._has_worked = False
        self._lock = threading.Lock()
        self.client(Attempts(policy))  # which refuses settings that cannot be used

    def client(self, clock: Attempts, sent: Sent | None = None) -> Minio:
        """A client for one try. It retries nothing itself. Raises InvalidConfigError."""
        settings = self.settings
        endpoint = urlsplit(settings.endpoint or _AWS)
        try:
            client = Minio(
                endpoint.netloc,
                access_key=settings.access_key,
                secret_key=settings.secret_key,
                session_token=settings.session_token,
                credentials=self._identity,
                secure=endpoint.scheme == "https",
                # Without a region the client asks the store first, which costs a request and a permission; only AWS
                # needs that.
                region=settings.region or ("us-east-1" if settings.endpoint else None),
                http_client=_BoundedPool(self._pool, clock, sent),
            )
        except ValueError as error:
            raise InvalidConfigError(f"the object store cannot be used: {error}") from None
        client._region_map = self._regions  # what one client has asked AWS, all know
        return client

    def worked(self) -> None:
        """Tell that the credentials in use have been accepted."""
        self._has_worked = True

    def recovers(self, error: TrainerError, used: StoreSettings) -> bool:
        """Whether there are other credentials than `used`, which the store refused; then they are in use from now."""
        if not isinstance(error, StoreAccessDeniedError):
            return False
        with self._lock:
            if self.settings == used:  # otherwise another thread was here first
                fresh = self._ask(used, patient=self._has_worked and isinstance(error, CredentialsRefusedError))
                if fresh is None:
                    return False
                self._pool = make_pool(self._policy, fresh.ca_pem, fresh.endpoint or _AWS)
                self._identity = None if fresh.access_key else IamAwsProvider()
                self.settings = fresh
        logger.warning("%s; going on with renewed credentials", error.message)
        return True

    def _ask(self, refused: StoreSettings, patient: bool) -> StoreSettings | None:
        """Other settings than the refused ones; None if there are none (yet)."""
        if self._renew is None:
            return None
        clock = Attempts(self._policy)
        while True:
            clock.tries += 1
            fresh = self._renew(refused)
            if fresh is not None and fresh != refused:
                return fresh
            wait = self._policy.backoff(clock.tries)
            if not patient or clock.remaining <= wait:
                return None
            time.sleep(wait)


def make_pool(policy: RetryPolicy, ca_pem: str | None, url: str) -> urllib3.PoolManager:
    """An HTTP pool for `url`: certificates are checked, proxies from the environment are used except for loopback."""
    options: dict[str, Any] = {
        "retries": False,
        "maxsize": 8,
        "timeout": Timeout(connect=policy.connect_timeout, read=policy.read_timeout),
    }
    parts = urlsplit(url)
    if parts.scheme == "https":
        options["ssl_context"] = tls_context(ca_pem)
    proxy = proxy_for(parts.scheme, parts.hostname or "")
    return urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)


def proxy_for(scheme: str, host: str) -> str | None:
    """The proxy that the environment names for a host, if any."""
    proxy = getproxies().get(scheme)
    if not proxy or host == "localhost" or host.startswith("127.") or host == "::1" or proxy_bypass(host):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


class _BoundedPool(urllib3.PoolManager):
    """Sends what one try sends through the shared pool, with timeouts cut to what its operation has left."""

    def __init__(self, pool: urllib3.PoolManager, clock: Attempts, sent: Sent | None) -> None:
        super().__init__()
        self._shared = pool
        self._clock = clock
        self._sent = sent

    def urlopen(self, method: str, url: str, redirect: bool = True, **kw: Any) -> urllib3.BaseHTTPResponse:  # type: ignore[override]
        policy, left = self._clock.policy, max(0.1, self._clock.remaining)
        kw["timeout"] = Timeout(connect=min(policy.connect_timeout, left), read=min(policy.read_timeout, left))
        body = kw.get("body")
        if isinstance(body, bytes) and body:  # the client sets no length for an empty one
            kw["body"] = _Pieces(body, self._sent if method == "PUT" else None)  # POST names the parts of an object
        return self._shared.urlopen(method, url, redirect=redirect, **kw)


class _Pieces:
    """A request's body, sent piece by piece.

    The socket's timeout bounds the *whole* of one ``sendall``, so a large body on a slow line would fail although it
    moves; and urllib3 leaves the (short) connect timeout in force while it sends.
    """

    def __init__(self, body: bytes, sent: Sent | None) -> None:
        self._body = memoryview(body)
        self._sent = sent

    def __iter__(self) -> Iterator[memoryview]:
        for start in range(0, len(self._body), _PIECE_BYTES):
            piece = self._body[start : start + _PIECE_BYTES]
            yield piece
            if self._sent:
                self._sent(start + len(piece))
