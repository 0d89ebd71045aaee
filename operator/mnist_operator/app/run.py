"""Run the operator: kopf's watches and our workers side by side, until either ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Any

import kopf

from mnist_kube.client import KubeApi
from mnist_kube.connection import Connection
from mnist_kube.kubeconfig import load
from mnist_kube.lease import Lease
from mnist_kube.pacing import Throttle
from mnist_operator.app.controller import Controller
from mnist_operator.app.handlers import Watches, kopf_settings
from mnist_operator.app.health import HealthServer
from mnist_operator.app.metrics import Metrics
from mnist_operator.app.settings import Settings
from mnist_operator.reconcile.context import count_request
from mnist_operator.reconcile.state import ClusterState

logger = logging.getLogger(__name__)
# Well within the half minute that Kubernetes gives a pod, and within what kopf gives its clean-up.
_DRAIN_SECONDS = 5.0
# Each takes a handshake and memory on both sides; more of them do not make the server faster.
_CONNECTIONS = 16


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. kopf catches them once it runs; until then they end this task."""
    loop, this = asyncio.get_running_loop(), asyncio.current_task()
    assert this is not None
    loop.set_exception_handler(_on_loop_error)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, this.cancel)
    metrics = Metrics()
    state = ClusterState()

    def observe(verb: str, code: int, seconds: float) -> None:
        metrics.requested(verb, code, seconds)
        count_request(verb, code, seconds)

    connection = await asyncio.to_thread(load)
    async with KubeApi(
        connection, user_agent="mnist-operator", observe=observe, limit=_CONNECTIONS, renew=_renewed
    ) as api:
        lease = _lease(api, settings)

        def active() -> bool:
            return lease is None or lease.held

        # The active one checks before each write that it still is. The Lease itself is never held back.
        throttle = Throttle(settings.api_requests_per_second, settings.api_burst)
        controller = Controller(api.guarded(active, throttle), state, settings, metrics, active)
        registry = kopf.OperatorRegistry()
        Watches(state, controller.queue, metrics.watched).register(registry)
        kopf.on.login(registry=registry)(_login)
        where = ", ".join(settings.namespaces) or "all namespaces"
        logger.info("serving MnistTrainings in %s", where)

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
            watch = asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    settings=kopf_settings(clusterwide=not settings.namespaces),
                    namespaces=settings.namespaces,
                    clusterwide=not settings.namespaces,
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
                for task in (work, watch):
                    task.cancel()
                await asyncio.gather(work, watch, return_exceptions=True)
    logger.info("stopped")


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
