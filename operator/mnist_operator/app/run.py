"""Run the operator: kopf's watches and our workers side by side, until either ends."""

from __future__ import annotations

import asyncio
import logging

import kopf

from mnist_operator.app.controller import Controller
from mnist_operator.app.handlers import Watches, kopf_settings
from mnist_operator.app.health import HealthServer
from mnist_operator.app.metrics import Metrics
from mnist_operator.app.settings import Settings
from mnist_operator.kube.client import KubeApi
from mnist_operator.reconcile.state import ClusterState

logger = logging.getLogger(__name__)


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT, which kopf catches."""
    metrics = Metrics()
    state = ClusterState()
    async with KubeApi.connection(metrics.requested) as api:
        controller = Controller(api, state, settings, metrics)
        registry = kopf.OperatorRegistry()
        Watches(state, controller.queue).register(registry)
        kopf.on.login(registry=registry)(_login)
        where = ", ".join(settings.namespaces) or "all namespaces"
        logger.info("serving MnistTrainings in %s", where)
        ready = controller.ready.is_set
        async with HealthServer(settings.bind_address, settings.health_port, metrics.registry, ready):
            work = asyncio.create_task(controller.run())

            async def stop_working(**_: object) -> None:
                # kopf gives every task that it does not know five seconds; ours need none.
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)

            kopf.on.cleanup(registry=registry)(stop_working)
            watch = asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    settings=kopf_settings(),
                    namespaces=settings.namespaces,
                    clusterwide=not settings.namespaces,
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


def _login(**kwargs: object) -> kopf.ConnectionInfo | None:
    """Log in as our own client does: KUBECONFIG, else the pod's ServiceAccount."""
    return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)  # type: ignore[arg-type]
