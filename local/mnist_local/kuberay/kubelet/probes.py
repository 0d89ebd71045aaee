"""Ray's own health endpoint, as the kubelet's HTTP probe asks it."""

import asyncio

import aiohttp

_TIMEOUT_S = 2.0


class HealthProbe:
    """GET /api/healthz of the dashboard agent of one Ray node."""

    def __init__(self, session: aiohttp.ClientSession, address: str, port: int) -> None:
        """`session` is shared by all probes."""
        self._session = session
        self._url = f"http://{address}:{port}/api/healthz"

    async def passes(self) -> bool:
        """Whether the node answers that it is healthy."""
        try:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            async with self._session.get(self._url, timeout=timeout) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False


async def until_listening(address: str, port: int, poll_s: float) -> None:
    """Return when a server listens there."""
    while not await accepts_connections(address, port):  # noqa: ASYNC110 - another process has no event to set
        await asyncio.sleep(poll_s)


async def accepts_connections(address: str, port: int) -> bool:
    """Whether a server listens there."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
