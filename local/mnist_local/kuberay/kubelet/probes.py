"""Ray's own health endpoint, asked as a kubelet's HTTP probe asks it."""

import asyncio

import aiohttp

from mnist_local.kuberay.kubelet.network import NodeNetwork

_TIMEOUT_S = 2.0


class HealthProbe:
    """GET /api/healthz of the dashboard agent of one Ray node, as KubeRay's probes do.

    A worker is taken for healthy as soon as its raylet serves: its agent comes seconds later, and is of use to nobody
    who waits for the worker. From the agent's first answer on, the agent's word counts.
    """

    def __init__(self, session: aiohttp.ClientSession, node: NodeNetwork, is_head: bool) -> None:
        self._session = session
        self._node = node
        self._url = f"http://{node.at('dashboard_agent')}/api/healthz"
        self._agent_has_answered = is_head

    async def passes(self) -> bool:
        """Whether the node is healthy now."""
        try:
            timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
            async with self._session.get(self._url, timeout=timeout) as response:
                self._agent_has_answered = True
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return not self._agent_has_answered and await _listens(self._node.address, self._node.ports["raylet"])


async def until_listening(address: str, port: int, poll_s: float) -> None:
    """Return when a server listens there."""
    while not await _listens(address, port):  # noqa: ASYNC110 - another process has no event to set
        await asyncio.sleep(poll_s)


async def _listens(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            _, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
