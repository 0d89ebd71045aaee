"""One pool of HTTP connections to one API server: bytes in, bytes out, and another connection when that is needed.

aiohttp itself, not the generated client on top of it. Measured with `kubernetes` 37: importing `kubernetes.aio` takes
0.7 s of CPU and 64 MB, aiohttp alone 0.3 s and 33 MB, which `mnistctl status` and the local KubeRay feel; a request
costs the same with both (0.21 to 0.25 ms of CPU, GET and PATCH of a small object, eight at a time), nearly all of it
aiohttp's and the kernel's. Nor does that client follow a server that was started anew with other keys. What it knows
beyond HTTP (plugins, identity providers) is still asked of it, by `mnist_kube.kubeconfig`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from mnist_kube.connection import Connection
from mnist_kube.errors import NO_CREDENTIALS, ApiError

_CONNECT_S = 10.0
_TOKEN_FILE_GOOD_FOR_S = 60.0  # what client-go reads a token again after
FAILURES = (TimeoutError, aiohttp.ClientError, OSError)
"""What is raised where there is no whole answer."""

Renew = Callable[[], Awaitable[Connection]]


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Token:
    """The present token of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._value = connection.token
        self._read_at = float("-inf")

    def value(self) -> str:
        if self._connection.token_file is not None and time.monotonic() - self._read_at > _TOKEN_FILE_GOOD_FOR_S:
            with contextlib.suppress(OSError):  # being replaced: the former one is good for a while yet
                self._value, self._read_at = self._connection.present_token(), time.monotonic()
        return self._value


class Transport:
    """Requests to the server of a connection. Make it inside a running event loop.

    Args:
        connection: the server, and who we are there.
        user_agent: what the server's log calls us.
        limit: connections at most, 0 for no limit.
        renew: gives a connection with fresh credentials when the present ones are refused.
    """

    def __init__(self, connection: Connection, user_agent: str, limit: int = 0, renew: Renew | None = None) -> None:
        self.connection = connection
        self._headers = {"User-Agent": user_agent}
        self._limit = limit
        self._renew = renew
        self._token = _Token(connection)
        self._session = self._opened(connection)
        self._replaced = asyncio.Event()
        self._renewing = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def reconnect(self, connection: Connection) -> None:
        """Go on with another connection: the server was started anew, with other keys. Ends the streams."""
        former, self._session = self._session, self._opened(connection)
        self._adopt(connection)
        # A closed TLS connection alone may leave a stream waiting for minutes.
        self._replaced.set()
        self._replaced = asyncio.Event()
        await former.close()

    async def send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        """Send one request; with refused credentials once more, if there are other ones.

        Raises one of FAILURES where there is no whole answer, ApiError where no credentials can be had.
        """
        used = self.connection
        answer = await self._once(method, path, body, headers, seconds)
        if answer.status == 401 and await self._renewed(used):
            answer = await self._once(method, path, body, headers, seconds)
        return answer

    async def stream(
        self, path: str, headers: Mapping[str, str], idle_timeout: float | None, opened: Callable[[], None]
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answer to a GET as it comes, until the server ends it; calls `opened` when it begins.

        Raises ApiError where it is refused, and one of FAILURES where it is cut, or nothing comes for `idle_timeout` s.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=idle_timeout)
        for again in (True, False):
            used = self.connection
            async with self._request("GET", path, None, headers, timeout) as response:
                if response.status == 401 and again and await self._renewed(used):
                    continue
                if response.status >= 400:
                    raise ApiError.of_answer(response.status, response.headers, await response.read())
                opened()
                async for chunk in self._chunks(response):
                    yield chunk
                return

    async def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Answer:
        limits = aiohttp.ClientTimeout(total=seconds)
        async with self._request(method, path, body, headers, limits) as response:
            return Answer(response.status, response.headers, await response.read())

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout: aiohttp.ClientTimeout
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
        sent = CIMultiDict({**self._headers, **headers})
        if self.connection.impersonate:
            user, *groups = self.connection.impersonate
            sent["Impersonate-User"] = user
            for group in groups:
                sent.add("Impersonate-Group", group)
        if token := self._token.value():
            sent["Authorization"] = f"Bearer {token}"
        return self._session.request(
            method,
            URL(self.connection.server + path, encoded=True),
            data=body,
            headers=sent,
            timeout=timeout,
            proxy=self.connection.proxy,
            server_hostname=self.connection.server_name,
        )

    def _opened(self, connection: Connection) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=connection.ssl_context or True, limit=self._limit),
            cookie_jar=aiohttp.DummyCookieJar(),
            # Else aiohttp reads ~/.netrc in a thread before each request, a fifth of all that an operator does.
            trust_env=False,
        )

    def _adopt(self, connection: Connection) -> None:
        self.connection = connection
        self._token = _Token(connection)

    async def _renewed(self, used: Connection) -> bool:
        """Have other credentials than those of `used`; False where there are none to be had."""
        if self._renew is None or not used.renewable:
            return False
        async with self._renewing:
            if self.connection is not used:
                return True  # somebody else was refused, too, and was quicker
            try:
                fresh = await self._renew()
            except ValueError as error:
                raise ApiError(401, NO_CREDENTIALS, str(error)) from error
            if fresh.same_endpoint(used):
                self._adopt(fresh)
            else:
                await self.reconnect(fresh)
            return True

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """The body as it comes, until the server ends it or the connection is replaced (ClientConnectionError)."""
        replaced = asyncio.create_task(self._replaced.wait())
        try:
            while not response.content.at_eof():
                reading = asyncio.create_task(response.content.readany())
                reading.add_done_callback(_look_at)
                await asyncio.wait([reading, replaced], return_when=asyncio.FIRST_COMPLETED)
                if replaced.done() and not _has_come(reading):
                    reading.cancel()
                    raise aiohttp.ClientConnectionError("the connection to the API server was replaced")
                yield reading.result()
        finally:
            replaced.cancel()


def _has_come(reading: asyncio.Task[bytes]) -> bool:
    """Whether a read succeeded; of a closed connection aiohttp raises many things, a RuntimeError among them."""
    return reading.done() and not reading.cancelled() and reading.exception() is None


def _look_at(task: asyncio.Task[bytes]) -> None:
    """A read that nobody waits for any more may fail unheard."""
    if not task.cancelled():
        task.exception()
