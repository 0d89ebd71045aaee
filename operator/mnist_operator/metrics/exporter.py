"""One port with probes and metrics (/healthz, /readyz, /metrics), and the metrics of the operator's own process."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.registry import Collector

from mnist_operator.metrics.transitions import Transitions

_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """All metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.transitions = Transitions(self.registry)
        """Counters and durations of what trainings go through."""
        ProcessCollector(registry=self.registry)
        info = Gauge("mnist_operator_build_info", "Version of the operator.", ["version"], registry=self.registry)
        info.labels(_version()).set(1)
        self._reconciles = Counter(
            "mnist_operator_reconciles", "Reconciles by outcome.", ["outcome"], registry=self.registry
        )
        self._seconds = Histogram(
            "mnist_operator_reconcile_seconds", "Duration of a reconcile.", buckets=_BUCKETS, registry=self.registry
        )
        self._requests = Counter(
            "mnist_operator_api_requests",
            "Requests to the API server by verb and status code; code 0 is a server that could not be reached.",
            ["verb", "code"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "mnist_operator_api_request_seconds",
            "Duration of requests to the API server by verb.",
            ["verb"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._by_request: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._watched = Counter(
            "mnist_operator_watch_events", "Events that watches brought, by kind.", ["kind"], registry=self.registry
        )
        self._depth = Gauge("mnist_operator_queue_depth", "Trainings waiting to be reconciled.", registry=self.registry)
        self._oldest = Gauge(
            "mnist_operator_queue_oldest_seconds",
            "Seconds that the first training in the queue has waited.",
            registry=self.registry,
        )
        self._leader = Gauge(
            "mnist_operator_leader", "1 on the replica that is active, 0 on a standby.", registry=self.registry
        )

    def reconciled(self, outcome: str, seconds: float) -> None:
        """Count one reconcile."""
        self._reconciles.labels(outcome).inc()
        self._seconds.observe(seconds)

    def requested(self, verb: str, code: int, seconds: float) -> None:
        """Count one request to the API server."""
        # Finding a child by its labels takes longer than counting.
        key = (verb, code)
        if key not in self._by_request:
            self._by_request[key] = (self._requests.labels(verb, str(code)), self._request_seconds.labels(verb))
        count, duration = self._by_request[key]
        count.inc()
        duration.observe(seconds)

    def watched(self, kind: str) -> None:
        """Count one event of a watch."""
        self._watched.labels(kind).inc()

    def watch_queue(self, depth: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Read the queue whenever metrics are asked for."""
        self._depth.set_function(depth)
        self._oldest.set_function(oldest)

    def watch_leader(self, active: Callable[[], bool]) -> None:
        """Ask whether this replica is active whenever metrics are asked for."""
        self._leader.set_function(lambda: float(active()))

    def add(self, collector: Collector) -> None:
        """Add a collector that reads its values when metrics are asked for."""
        self.registry.register(collector)


def _version() -> str:
    try:
        return version("mnist-training")
    except PackageNotFoundError:
        return "unknown"


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
