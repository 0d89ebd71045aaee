"""Probes and metrics over HTTP."""

from __future__ import annotations

import aiohttp
from prometheus_client import CollectorRegistry, Gauge

from mnist_operator.metrics.exporter import HealthServer


async def test_probes_say_what_they_are_told(unused_tcp_port: int) -> None:
    registry = CollectorRegistry()
    Gauge("answer", "x", registry=registry).set(42)
    alive, ready = True, False
    server = HealthServer("127.0.0.1", unused_tcp_port, registry, lambda: ready, lambda: alive)
    async with server, aiohttp.ClientSession(f"http://127.0.0.1:{unused_tcp_port}") as session:

        async def probe(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        assert await probe("/healthz") == (200, "ok")
        assert (await probe("/readyz"))[0] == 503
        ready = True
        assert await probe("/readyz") == (200, "ok")
        alive = False
        assert await probe("/healthz") == (503, "a reconcile does not end")
        assert "answer 42.0" in (await probe("/metrics"))[1]
