"""The portal as a server: its parts put together, its ports, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

from aiohttp import web

from mnist_kube.connection import Connection
from mnist_portal.access import Accesses
from mnist_portal.identity import Identity
from mnist_portal.live import Hub
from mnist_portal.metrics import Metrics, metrics_app
from mnist_portal.middleware import authenticate, carry_headers, guard
from mnist_portal.pages import actions, clusters, comparing, enter, logs, models, new, result, training, trainings
from mnist_portal.pages.base import PORTAL, Portal, environment
from mnist_portal.ray import RayDashboards
from mnist_portal.sessions import OneTimeToken, Sessions
from mnist_portal.settings import Mode, Settings

logger = logging.getLogger(__name__)

_SWEEP_S = 20.0
_MOST_BODY = 8 << 20
_END_S = 5.0
_STATIC = Path(__file__).parent / "static"
_PAGES = (enter, trainings, actions, logs, result, training, new, models, comparing, clusters)


def build_app(portal: Portal, metrics: Metrics) -> web.Application:
    """Return the application that serves the pages."""
    app = web.Application(middlewares=[metrics.middleware, guard, authenticate], client_max_size=_MOST_BODY)
    app[PORTAL] = portal
    for page in _PAGES:
        app.add_routes(page.routes)
    app.router.add_static("/static", _STATIC)
    app.on_response_prepare.append(carry_headers)
    return app


class Server:
    """A running portal. Make it inside a running event loop; `start` it, and `close` it.

    Args:
        settings: what an installation chose.
        server: modes `token` and `header`: the API server, without a person's credentials.
        local: mode `local`: whose kubeconfig it is.
        on_token: is told each new one-time token of mode `local`.
    """

    def __init__(
        self,
        settings: Settings,
        server: Connection | None = None,
        local: Identity | None = None,
        on_token: Callable[[str], None] = lambda token: None,
    ) -> None:
        self.settings = settings
        self._on_token = on_token
        hub = Hub(settings.feed_idle_seconds)
        self.portal = Portal(
            settings=settings,
            sessions=Sessions(settings.session_seconds, settings.idle_seconds, settings.max_sessions),
            hub=hub,
            accesses=Accesses(settings, hub),
            templates=environment(),
            one_time=None,
            server=server,
            local=local,
        )
        self.metrics = Metrics(self.portal)
        self.metrics_port = 0
        self._runners: list[web.AppRunner] = []
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.portal.port

    @property
    def address(self) -> str:
        """Where a browser on this machine finds it."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listen. Raises OSError for a port that is taken."""
        self.portal.port = await self._listen(build_app(self.portal, self.metrics), self.settings.port)
        if self.settings.metrics_port >= 0:
            self.metrics_port = await self._listen(metrics_app(self.metrics), self.settings.metrics_port)
        if self.settings.ray_port >= 0:
            self.portal.ray = RayDashboards(self.settings, self.portal.sessions)
            self.portal.ray.port = await self._listen(self.portal.ray.app(), self.settings.ray_port)
        if self.settings.mode is Mode.LOCAL:
            self.portal.one_time = OneTimeToken(self._on_token)
        self._sweeper = asyncio.create_task(self._sweep())
        logger.info("the portal listens on %s:%s (mode %s)", self.settings.host, self.port, self.settings.mode.value)

    async def close(self) -> None:
        """End all pages, watches and connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        await self.portal.hub.close()
        for runner in self._runners:
            await runner.cleanup()
        await self.portal.accesses.close()

    async def _listen(self, app: web.Application, port: int) -> int:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_END_S, handler_cancellation=True)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, self.settings.host, port).start()
        return int(runner.addresses[0][1])

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.portal.sessions.sweep()
            await self.portal.hub.sweep()
            await self.portal.accesses.sweep(self.portal.sessions.identities())


@contextlib.asynccontextmanager
async def running(server: Server) -> AsyncGenerator[Server, None]:
    """Run a portal as long as the block does."""
    try:
        await server.start()
        yield server
    finally:
        await server.close()
