"""What the portal tells of itself: /metrics, /healthz and /readyz, on a port of their own that no browser needs."""

from __future__ import annotations

import time

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mnist_portal.middleware import Handler
from mnist_portal.pages.base import Portal

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.3, 1.0, 3.0, 10.0)


class Metrics:
    """Figures of one portal, in a registry of its own."""

    def __init__(self, portal: Portal) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "mnist_portal_requests_total", "Requests answered.", ["method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "mnist_portal_request_seconds", "Seconds until a page is answered; live pages are left out.",
            registry=self.registry, buckets=_BUCKETS,
        )  # fmt: skip
        for name, text, value in (
            ("sessions", "People signed in, by browser.", lambda: float(len(portal.sessions))),
            ("watches", "Watches at the API server.", lambda: float(portal.hub.watches)),
            ("open_pages", "Pages that are told of changes as they happen.", lambda: float(portal.hub.pages)),
        ):
            Gauge(f"mnist_portal_{name}", text, registry=self.registry).set_function(value)

    @property
    def middleware(self) -> Middleware:
        """Counts each request."""

        @web.middleware
        async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
            began, status = time.perf_counter(), 500
            try:
                response = await handler(request)
                status = response.status
                if response.content_type != "text/event-stream":
                    self._seconds.observe(time.perf_counter() - began)
                return response
            except web.HTTPException as error:
                status = error.status
                raise
            finally:
                self._requests.labels(request.method, str(status)).inc()

        return count


def metrics_app(metrics: Metrics) -> web.Application:
    """Return the application of the metrics' port."""
    app = web.Application()

    async def told(_: web.Request) -> web.Response:
        headers = {"Content-Type": "text/plain; version=0.0.4"}
        return web.Response(body=generate_latest(metrics.registry), headers=headers)

    async def fine(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    app.router.add_get("/metrics", told)
    app.router.add_get("/healthz", fine)
    app.router.add_get("/readyz", fine)
    return app
