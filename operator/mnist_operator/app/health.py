"""One port for probes and metrics: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


class HealthServer:
    """Serves the probes and the metrics."""

    def __init__(
        self,
        address: str,
        port: int,
        registry: CollectorRegistry,
        ready: Callable[[], bool],
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._address = address
        self._port = port
        self._registry = registry
        self._ready = ready
        self._alive = alive
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> HealthServer:
        if self._port:
            app = web.Application()
            app.add_routes(
                [
                    web.get("/healthz", self._healthz),
                    web.get("/readyz", self._readyz),
                    web.get("/metrics", self._metrics),
                ]
            )
            self._runner = web.AppRunner(app, access_log=None)
            await self._runner.setup()
            await web.TCPSite(self._runner, self._address, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        if self._alive():
            return web.Response(text="ok")
        return web.Response(status=503, text="a reconcile does not end")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self._ready():
            return web.Response(text="ok")
        return web.Response(status=503, text="the caches are not filled yet")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
