"""Puts the parts together: a running server over a fresh store."""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from mnist_local.apiserver import bootstrap, kindrules
from mnist_local.apiserver.admission import definitions, escalation, namespacelifecycle, podsecurity, serviceaccounts
from mnist_local.apiserver.admission.policies.plugin import validating_policies
from mnist_local.apiserver.auth.authentication import Authenticator
from mnist_local.apiserver.builtins import builtin_resources
from mnist_local.apiserver.context import Context
from mnist_local.apiserver.controllers.aggregation import RoleAggregation
from mnist_local.apiserver.controllers.definitions import DefinitionController
from mnist_local.apiserver.controllers.garbage import GarbageCollector
from mnist_local.apiserver.controllers.namespaces import NamespaceController
from mnist_local.apiserver.controllers.queue import ControlLoop
from mnist_local.apiserver.pki import kubeconfig, make_pki, write_private
from mnist_local.apiserver.rest.engine import Engine
from mnist_local.apiserver.server import Server


@dataclass(slots=True)
class Running:
    """A server that accepts connections."""

    ctx: Context
    url: str
    kubeconfig: Path
    runner: web.ServerRunner
    loops: list[ControlLoop[object]]

    async def stop(self) -> None:
        """End open streams, then close the listening socket and all connections."""
        self.ctx.stop()
        for loop in self.loops:
            await loop.stop()
        await self.runner.cleanup()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def assemble(ctx: Context) -> list[ControlLoop[object]]:
    """Fill a context with built-in resources, admission and a fresh cluster's objects; returns the control loops."""
    kindrules.register()
    for resource in builtin_resources():
        ctx.registry.add(resource)
    engine = Engine(ctx)
    controllers = (
        DefinitionController(engine), NamespaceController(engine), RoleAggregation(engine), GarbageCollector(engine),
    )  # fmt: skip
    ctx.admission.mutating += [
        namespacelifecycle.lifecycle(ctx), definitions.terminating(ctx), serviceaccounts.service_accounts(ctx),
    ]  # fmt: skip
    ctx.admission.validating += [
        namespacelifecycle.lifecycle(ctx),
        escalation.prevention(ctx),
        podsecurity.pod_security(ctx),
        validating_policies(ctx),
    ]
    bootstrap.populate(engine)
    loops: list[ControlLoop[object]] = [controller.loop for controller in controllers]  # type: ignore[misc]
    for loop in loops:
        loop.drain()
    return loops


async def serve(sock: socket.socket, host: str, data_dir: Path, pod_log_dir: Path | None) -> Running:
    """Serve on a listening socket and write `kubeconfig` and `pki/ca.crt` once requests are answered."""
    pki = make_pki(host)
    ctx = Context(pod_log_dir=pod_log_dir, ca_pem=pki.ca_pem)
    loops = assemble(ctx)
    admin_token = secrets.token_urlsafe(32)
    server = Server(ctx, Authenticator(ctx.store, ctx.signer, admin_token))
    runner = web.ServerRunner(web.Server(server.handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, sock, ssl_context=pki.context).start()
    for loop in loops:
        loop.start()
    shown = f"[{host}]" if ":" in host else host
    url = f"https://{shown}:{sock.getsockname()[1]}"
    write_private(data_dir / "pki" / "ca.crt", pki.ca_pem)
    config = data_dir / "kubeconfig"
    write_private(config, kubeconfig(url, pki.ca_pem, admin_token))
    return Running(ctx, url, config, runner, loops)
