"""The process: its log, its connection, its Lease, and kopf's watches beside our workers, until either ends.

kopf and the workers share one event loop. kopf's watches fill caches and queue from the start, on a standby, too; the
workers begin once the Lease is ours. Whichever of the two ends takes the other along, so that Kubernetes starts the pod
anew. A stop (SIGTERM) ends what is in hand first, then gives the Lease back, so that a standby takes over at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import kopf

from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection
from mnist_kube.kubeconfig import load
from mnist_kube.lease import Lease
from mnist_kube.pacing import Throttle
from mnist_operator.cache import ClusterState
from mnist_operator.controller import Controller, count_request, reconciling
from mnist_operator.handlers import NoMemories, Watches, kopf_settings
from mnist_operator.listings import Listings
from mnist_operator.metrics.exporter import HealthServer, Metrics
from mnist_operator.settings import Settings

logger = logging.getLogger(__name__)
# Well within the half minute that Kubernetes gives a pod, and within what kopf gives its clean-up.
_DRAIN_SECONDS = 5.0
# Each takes a handshake and memory on both sides; more of them do not make the server faster.
_CONNECTIONS = 16


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as JSON."""
        entry = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if reconcile := reconciling.get():
            entry["namespace"], entry["training"] = reconcile.key
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure_logs(log_format: str, level: str) -> None:
    """Send all logs to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # kopf tells of every event it passes on; that is ours to tell.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLevelName(level)))


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. kopf catches them once it runs; until then they end this task."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None
    loop.set_exception_handler(_on_loop_error)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, this.cancel)
    registry = kopf.OperatorRegistry()
    async with serving(settings, registry) as work:
        watch = asyncio.create_task(
            kopf.operator(
                registry=registry,
                settings=kopf_settings(clusterwide=not settings.namespaces),
                namespaces=settings.namespaces,
                clusterwide=not settings.namespaces,
                memories=NoMemories(),
                # kopf would ask who runs it, and fails where the uid stands in no passwd file.
                identity=settings.identity,  # type: ignore[arg-type]  # a NewType of str that kopf does not export
            )
        )
        try:
            await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
            if work.done() and not work.cancelled():
                work.result()
            await watch
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
    logger.info("stopped")


@asynccontextmanager
async def serving(settings: Settings, registry: kopf.OperatorRegistry) -> AsyncIterator[asyncio.Task[None]]:
    """Connect, register our watches with kopf, serve probes and metrics, and work. Yields the task of the workers."""
    metrics, state = Metrics(), ClusterState()

    def observe(verb: str, code: int, seconds: float) -> None:
        metrics.requested(verb, code, seconds)
        count_request(verb, code, seconds)

    connection = await asyncio.to_thread(load)
    async with KubeApi(
        connection,
        user_agent="mnist-operator",
        observe=observe,
        limit=_CONNECTIONS,
        renew=_renewed,
        field_validation=settings.field_validation,
    ) as api:
        lease = _lease(api, settings)

        def active() -> bool:
            return lease is None or lease.held

        # The active one checks before each write that it still is. The Lease itself is never held back.
        throttle = Throttle(settings.api_requests_per_second, settings.api_burst)
        listings = Listings()
        controller = Controller(api.guarded(active, throttle), state, settings, metrics, active, listings)
        Watches(state, controller.queue, listings, metrics.watched).register(registry)
        kopf.on.login(registry=registry)(_login)
        logger.info("serving MnistTrainings in %s", ", ".join(settings.namespaces) or "all namespaces")

        def ready() -> bool:
            # A standby is as it should be; were it not ready, a rolling update would wait for it for ever.
            return controller.ready.is_set() or (lease is not None and lease.standing_by)

        health = HealthServer(settings.bind_address, settings.health_port, metrics.registry, ready, controller.alive)
        async with health:
            work = asyncio.create_task(_work_while_active(controller, lease))

            async def stop_working(**_: object) -> None:
                await controller.drain(_DRAIN_SECONDS)
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                if lease is not None:
                    await lease.release()

            kopf.on.cleanup(registry=registry)(stop_working)
            try:
                yield work
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)


def _lease(api: KubeApi, settings: Settings) -> Lease | None:
    if not settings.lease_name:
        return None
    return Lease(api, settings.lease_namespace, settings.lease_name, settings.identity)


async def _work_while_active(controller: Controller, lease: Lease | None) -> None:
    if lease is None:
        await controller.run()
        return
    await lease.acquire()
    work, keep = asyncio.create_task(controller.run()), asyncio.create_task(lease.keep())
    try:
        await asyncio.wait({work, keep}, return_when=asyncio.FIRST_COMPLETED)
        for task in (keep, work):
            if task.done():
                task.result()
    finally:
        for task in (work, keep):
            task.cancel()
        await asyncio.gather(work, keep, return_exceptions=True)


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what no task caught. kopf's watches end with the loop, at times in a request: no error."""
    if "asyncgen" in context:
        logger.debug("%s: %s", context["message"], context.get("exception"))
    else:
        loop.default_exception_handler(context)


async def _renewed() -> Connection:
    return await asyncio.to_thread(load)


async def _login(**_: object) -> kopf.ConnectionInfo:
    """Have kopf log in where and as our own client does."""
    connection = await _renewed()
    pair = connection.client_pem or None
    return kopf.ConnectionInfo(
        server=connection.server,
        ca_data=connection.ca_pem or None,
        insecure=connection.insecure,
        token=connection.present_token() or None,
        certificate_data=pair,
        private_key_data=pair,
        proxy_url=connection.proxy,
        default_namespace=connection.namespace,
    )
